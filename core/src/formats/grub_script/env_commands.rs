//! `load_env` and `save_env` (grub-core/commands/loadenv.c).

use std::sync::Arc;

use super::commands::{BAD_ARGUMENT, BAD_DEVICE, BAD_FILE_TYPE, Call, FILE_NOT_FOUND};
use super::machine::{Flow, Machine, Status, unknown};
use super::options::{self, Known, Options, Value};
use super::text::Text;
use super::{File, Origin, Place, env_block};

const OPTIONS: [Known; 2] = [
    Known { long: "file", short: 'f', value: Value::Required },
    Known { long: "skip-sig", short: 's', value: Value::None },
];

impl Machine<'_> {
    fn block_name(&self, options: &Options) -> Option<Text> {
        match options.value("file") {
            Some(file) => Some(file.clone()),
            None => {
                let mut name = self.get("prefix")?.value.clone();
                name.append(&Text::plain("/grubenv"));
                Some(name)
            }
        }
    }

    /// Returns an environment block as it is by now.
    fn block(&self, name: &Text) -> File {
        let Some(location) = self.location(name) else {
            return File::Absent;
        };
        let shown = location.name();
        match self.blocks.get(&shown).or_else(|| self.start.blocks.get(&shown)) {
            Some(block) if location.device.is_some() => File::Text(block.clone()),
            _ => self.file(name),
        }
    }

    pub(super) fn load_env(&mut self, call: &Call<'_>) -> Flow<Status> {
        let Some(options) = options::sort(&OPTIONS, false, call.arguments) else {
            return Ok(BAD_ARGUMENT);
        };
        let Some(name) = self.block_name(&options) else {
            return Ok(FILE_NOT_FOUND);
        };
        let block = match self.block(&name) {
            File::Text(block) => block,
            File::Absent => return Ok(FILE_NOT_FOUND),
            File::Directory => return Ok(BAD_FILE_TYPE),
            File::Unknown if !self.exists_perhaps(&name, call.place) => return Ok(FILE_NOT_FOUND),
            File::Data | File::Unknown => {
                return Err(unknown(format!("`{}` cannot be read", name.text), Some(call.place.clone())));
            }
        };
        let Some(variables) = env_block::variables(&block) else {
            return Ok(self.fail(
                call.place,
                format!("`{}` is not an environment block", name.text),
                BAD_FILE_TYPE,
            ));
        };
        let file: Arc<str> = self.location(&name).map_or_else(String::new, |it| it.name()).into();
        for (variable, value, line) in variables {
            let wanted = &options.arguments;
            if wanted.is_empty() || wanted.iter().any(|it| it.text == variable) {
                let place = Place { file: file.clone(), line };
                let origin = Origin { place, variable: Some(variable.as_str().into()) };
                self.set(&variable, Text::new(&value, origin), call.place);
            }
        }
        Ok(0)
    }

    pub(super) fn save_env(&mut self, call: &Call<'_>) -> Status {
        let Some(options) = options::sort(&OPTIONS, false, call.arguments) else {
            return BAD_ARGUMENT;
        };
        if options.arguments.is_empty() {
            return BAD_ARGUMENT;
        }
        let Some(name) = self.block_name(&options) else {
            return FILE_NOT_FOUND;
        };
        let Some(location) = self.location(&name) else {
            return FILE_NOT_FOUND;
        };
        let shown = location.name();
        let block = match self.block(&name) {
            File::Text(block) => block,
            File::Absent => {
                return self.fail(call.place, format!("there is no file `{shown}`"), FILE_NOT_FOUND);
            }
            // The next boot reads it again, and it cannot be told then either.
            File::Data | File::Unknown => return 0,
            File::Directory => return BAD_FILE_TYPE,
        };
        let device = location.device.unwrap_or_default();
        let is_writable = match self.library.disk.is_writable(&device, &location.path) {
            Some(is_writable) => is_writable,
            None => {
                let sentences = [format!("GRUB can write `{shown}`"), format!("GRUB cannot write `{shown}`")];
                self.answers.answer(format!("write {shown}"), call.place, &sentences) == 0
            }
        };
        if !is_writable {
            return self.fail(call.place, format!("GRUB cannot write `{shown}`"), BAD_DEVICE);
        }
        if env_block::variables(&block).is_none() {
            return self.fail(call.place, format!("`{shown}` is not an environment block"), BAD_FILE_TYPE);
        }
        let mut changed = block.to_string();
        for variable in &options.arguments {
            let value = self.get(&variable.text).map(|it| it.value.text.clone());
            let next = match value {
                Some(value) => env_block::set(&changed, &variable.text, &value),
                None => Some(env_block::delete(&changed, &variable.text)),
            };
            let Some(next) = next else {
                let what = format!("`{}` does not fit into `{shown}`", variable.text);
                return self.fail(call.place, what, BAD_ARGUMENT);
            };
            changed = next;
        }
        self.blocks.insert(shown, changed.into());
        0
    }
}
