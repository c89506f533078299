//! Playbooks without end, in time or in memory.

use expect_test::expect;

use crate::support::outcome;
use hoststate_lua::facts::NoHost;

const ENDLESS: &[&str] = &[
    "print('start')\nwhile true do end",
    "while true do pcall(function() while true do end end) end",
    "xpcall(function() while true do end end, function(e) while true do end end)",
    "for i = 1, 1e9 do print(i) break end\nlocal x\nfor i = 1, 1e9 do x = i end",
    "local s = 'x'\nwhile true do s = s .. s end",
    "local s = string.rep('x', 1e9)",
    "local s = string.rep('', 1e15)",
    "local t = {}\nfor i = 1, 1e9 do t[i] = i end",
    "local t = {}\nfor i = 1, 1e7 do\n  t[i] = { i }\nend",
    "table.move({}, 1, math.maxinteger - 1, 2)",
    "table.insert(setmetatable({}, { __len = function() return 1 << 53 end }), 1, 'x')",
    "table.concat(setmetatable({}, { __len = function() return 1 << 53 end, __index = function() return '' end }))",
    "local t = { 'x' }\nfor i = 1, 30 do t = { t, t, t, t } end\nkernel_cmdline { present = t }",
    "local s = string.rep('x', 1000000)\nlocal t = {}\nfor i = 1, 1000 do t[i] = s end\nkernel_cmdline { present = t }",
    "for i = 1, 1e7 do modules_load { modules = { 'm' .. i } } end",
    "return select('#', table.unpack({}, 1, 1e7))",
    "local s = string.rep('a', 40)\nstring.find(s, string.rep('a*', 40) .. 'b')",
    "local s = string.rep('a', 40)\nfor x in s:gmatch(string.rep('a*', 40) .. 'b') do end",
    "local s = string.rep('a?', 40)\nprint(s:gsub(string.rep('.-', 40) .. 'b', ''))",
];

#[test]
fn a_playbook_without_end_is_stopped_at_its_line() {
    let all: String =
        ENDLESS.iter().map(|it| format!("{it}\n{}\n", outcome(&NoHost, it, &[]))).collect();
    expect![[""]].assert_eq(&all);
}
