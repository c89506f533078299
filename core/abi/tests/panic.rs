//! A plugin that panics says so, and answers the next request.

use expect_test::expect;
use hoststate_abi::message::{Inspection, Refusal};
use hoststate_abi::plugin::{Context, Plugin, Resource};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Bulb {
    volts: u32,
}

impl Resource for Bulb {
    const NAME: &'static str = "acme.bulb";

    fn inspect(&self, _: Context<'_>) -> Result<Inspection, Refusal> {
        assert!(self.volts < 300, "it burnt out at {} V", self.volts);
        Ok(Inspection::default())
    }
}

#[test]
fn a_panic_is_an_error_of_one_declaration() {
    let plugin = Plugin::new("bulb", "1.0.0").with::<Bulb>();
    let answers = [(1, 400), (2, 12)].map(|(id, volts)| {
        let distro = r#""distro":{"id":"debian","version":"12","family":"debian"}"#;
        let inspect = format!(
            r#""type":"acme.bulb","desired":{{"volts":{volts}}},"root":"/","predicted":{{}},{distro}"#
        );
        plugin.answer(format!(r#"{{"id":{id},"request":{{"inspect":{{{inspect}}}}}}}"#).as_bytes())
    });
    expect![[r#"
        {"id":1,"answer":{"error":{"what":"the plugin panicked: it burnt out at 400 V","hint":"This is a bug of the plugin; report it to its author."}}}
        {"id":2,"answer":{"inspect":{"settings":[]}}}"#]]
    .assert_eq(&answers.join("\n"));
}
