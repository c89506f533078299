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

/// What is done in C, or where no hook runs.
const IN_C: &[&str] = &[
    "local s = ('x'):rep(20000000)\nwhile true do local b = s .. 'y' end",
    "local s = ('x'):rep(20000000)\nlocal a, b = s .. 'a', s .. 'b'\nwhile true do if a == b then a = 1 end end",
    "local s = ('x'):rep(10000000)\nwhile true do local b = string.format('%s%s', s, 'y') end",
    "local s = ('x'):rep(10000000)\nlocal a, b, t = s .. 'a', s .. 'b', {}\nfor i = 1, 99999 do t[i] = i % 2 == 0 and a or b end\ntable.sort(t)",
    "local f = ('i1'):rep(1000000)\nwhile true do string.packsize(f) end",
    "local s = ('a'):rep(1000000)\nlocal p = '[' .. ('b'):rep(4000000) .. ']'\ns:find(p)",
    "local t = {}\nwhile true do select('#', table.unpack(t, 1, 90000)) end",
    "select('#', table.unpack({}, 1, 900000))",
    "select('#', table.unpack({}, math.mininteger, math.maxinteger))",
    "local s = ('x'):rep(30000000)\nwhile true do utf8.len(s) end",
    "local s = ('9'):rep(20000000)\nwhile true do tonumber(s) end",
    "setmetatable({}, { __gc = function() while true do end end })\nfor i = 1, 200000 do local t = {} end",
    "local f = (' '):rep(1000000)\nwhile true do string.pack(f, 1) end",
    "local t = {}\nfor i = 1, 200 do t[i] = 0x10ffff end\nwhile true do utf8.char(table.unpack(t)) end",
    "local a, b = ('x'):rep(60000) .. 'a', ('x'):rep(60000) .. 'b'\nwhile true do if a == b then a = 1 end if a < b then b = b end end",
    "local a, b, t = ('x'):rep(60000) .. 'a', ('x'):rep(60000) .. 'a', {}\nt[a] = 1\nwhile true do b = t[b] and b end",
    "local s = ('9'):rep(60000)\nwhile true do math.abs(s) end",
    "local s = ('9'):rep(60000)\nwhile true do local n = s + 1 end",
    "local s = ('x'):rep(60000)\nwhile true do print(s) end",
    "local s, t = ('x'):rep(60000), {}\nfor i = 1, 9 do t[s .. i] = i end\nwhile true do for k in pairs(t) do end end",
    "local x <close> = setmetatable({}, { __close = function() while true do end end })",
];

#[test]
fn work_in_c_is_counted_too() {
    let told = |it: &str| {
        outcome(&NoHost, it, &[])
            .lines()
            .filter(|it| !it.starts_with("> xxx"))
            .map(|it| format!("{it}\n"))
            .collect::<String>()
    };
    let all: String = IN_C.iter().map(|it| format!("{it}\n{}\n", told(it))).collect();
    expect![[r#"
        local s = ('x'):rep(20000000)
        while true do local b = s .. 'y' end
        error: the playbook takes more than 64 MiB of memory
          at gpu.lua:2
        hint: Look for a text or a table that grows without end, or a function that calls itself.

        local s = ('x'):rep(20000000)
        local a, b = s .. 'a', s .. 'b'
        while true do if a == b then a = 1 end end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:3
        hint: Look for a loop that never ends, or for a very long text.

        local s = ('x'):rep(10000000)
        while true do local b = string.format('%s%s', s, 'y') end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

        local s = ('x'):rep(10000000)
        local a, b, t = s .. 'a', s .. 'b', {}
        for i = 1, 99999 do t[i] = i % 2 == 0 and a or b end
        table.sort(t)
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:4
        hint: Look for a loop that never ends, or for a very long text.

        local f = ('i1'):rep(1000000)
        while true do string.packsize(f) end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

        local s = ('a'):rep(1000000)
        local p = '[' .. ('b'):rep(4000000) .. ']'
        s:find(p)
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:3
        hint: Look for a loop that never ends, or for a very long text.

        local t = {}
        while true do select('#', table.unpack(t, 1, 90000)) end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

        select('#', table.unpack({}, 1, 900000))
        error: more than 100000 values are unpacked at once
          at gpu.lua:1
        hint: Walk through the table with a loop.

        select('#', table.unpack({}, math.mininteger, math.maxinteger))
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:1
        hint: Look for a loop that never ends, or for a very long text.

        local s = ('x'):rep(30000000)
        while true do utf8.len(s) end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

        local s = ('9'):rep(20000000)
        while true do tonumber(s) end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

        setmetatable({}, { __gc = function() while true do end end })
        for i = 1, 200000 do local t = {} end
        error: there is no `__gc` in a playbook
          at gpu.lua:1
        hint: Use a `<close>` variable for what must be done at the end of a block.

        local f = (' '):rep(1000000)
        while true do string.pack(f, 1) end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

        local t = {}
        for i = 1, 200 do t[i] = 0x10ffff end
        while true do utf8.char(table.unpack(t)) end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:3
        hint: Look for a loop that never ends, or for a very long text.

        local a, b = ('x'):rep(60000) .. 'a', ('x'):rep(60000) .. 'b'
        while true do if a == b then a = 1 end if a < b then b = b end end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

        local a, b, t = ('x'):rep(60000) .. 'a', ('x'):rep(60000) .. 'a', {}
        t[a] = 1
        while true do b = t[b] and b end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:3
        hint: Look for a loop that never ends, or for a very long text.

        local s = ('9'):rep(60000)
        while true do math.abs(s) end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

        local s = ('9'):rep(60000)
        while true do local n = s + 1 end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

        local s = ('x'):rep(60000)
        while true do print(s) end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

        local s, t = ('x'):rep(60000), {}
        for i = 1, 9 do t[s .. i] = i end
        while true do for k in pairs(t) do end end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:3
        hint: Look for a loop that never ends, or for a very long text.

        local x <close> = setmetatable({}, { __close = function() while true do end end })
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:1
        hint: Look for a loop that never ends, or for a very long text.

    "#]]
    .assert_eq(&all);
}

#[test]
fn a_long_text_is_searched_in_one_pass() {
    let playbook = "local s = ('a'):rep(4000000)\nprint(s:find(('a'):rep(2000000) .. 'b', 1, true))";
    expect![[r#"
        > nil
    "#]]
    .assert_eq(&outcome(&NoHost, playbook, &[]));
}

#[test]
fn a_list_of_ten_thousand_is_built_item_by_item() {
    let playbook = "local t = {}\nfor i = 1, 20000 do table.insert(t, i) end\nwhile #t > 0 do table.remove(t) end\nprint(#t)";
    expect![[r#"
        > 0
    "#]]
    .assert_eq(&outcome(&NoHost, playbook, &[]));
}

#[test]
fn a_playbook_without_end_is_stopped_at_its_line() {
    let all: String = ENDLESS.iter().map(|it| format!("{it}\n{}\n", outcome(&NoHost, it, &[]))).collect();
    expect![[r#"
        print('start')
        while true do end
        > start
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

        while true do pcall(function() while true do end end) end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:1
        hint: Look for a loop that never ends, or for a very long text.

        xpcall(function() while true do end end, function(e) while true do end end)
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:1
        hint: Look for a loop that never ends, or for a very long text.

        for i = 1, 1e9 do print(i) break end
        local x
        for i = 1, 1e9 do x = i end
        > 1
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:3
        hint: Look for a loop that never ends, or for a very long text.

        local s = 'x'
        while true do s = s .. s end
        error: the playbook takes more than 64 MiB of memory
          at gpu.lua:2
        hint: Look for a text or a table that grows without end, or a function that calls itself.

        local s = string.rep('x', 1e9)
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:1
        hint: Look for a loop that never ends, or for a very long text.

        local s = string.rep('', 1e15)
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:1
        hint: Look for a loop that never ends, or for a very long text.

        local t = {}
        for i = 1, 1e9 do t[i] = i end
        error: the playbook takes more than 64 MiB of memory
          at gpu.lua:2
        hint: Look for a text or a table that grows without end, or a function that calls itself.

        local t = {}
        for i = 1, 1e7 do
          t[i] = { i }
        end
        error: the playbook takes more than 64 MiB of memory
          at gpu.lua:3
        hint: Look for a text or a table that grows without end, or a function that calls itself.

        table.move({}, 1, math.maxinteger - 1, 2)
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:1
        hint: Look for a loop that never ends, or for a very long text.

        table.insert(setmetatable({}, { __len = function() return 1 << 53 end }), 1, 'x')
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:1
        hint: Look for a loop that never ends, or for a very long text.

        table.concat(setmetatable({}, { __len = function() return 1 << 53 end, __index = function() return '' end }))
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:1
        hint: Look for a loop that never ends, or for a very long text.

        local t = { 'x' }
        for i = 1, 30 do t = { t, t, t, t } end
        kernel_cmdline { present = t }
        error: kernel_cmdline: `present[1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][2][3][4][1][4][4][3][4][2][1][1]` is part of more than the playbook may declare
          at gpu.lua:3
        hint: Look for a text or a table that grows without end.

        local s = string.rep('x', 1000000)
        local t = {}
        for i = 1, 1000 do t[i] = s end
        kernel_cmdline { present = t }
        error: kernel_cmdline: `present[68]` is part of more than the playbook may declare
          at gpu.lua:4
        hint: Look for a text or a table that grows without end.

        for i = 1, 1e7 do modules_load { modules = { 'm' .. i } } end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:1
        hint: Look for a loop that never ends, or for a very long text.

        return select('#', table.unpack({}, 1, 1e7))
        error: more than 100000 values are unpacked at once
          at gpu.lua:1
        hint: Walk through the table with a loop.

        local s = string.rep('a', 40)
        string.find(s, string.rep('a*', 40) .. 'b')
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

        local s = string.rep('a', 40)
        for x in s:gmatch(string.rep('a*', 40) .. 'b') do end
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

        local s = string.rep('a?', 40)
        print(s:gsub(string.rep('.-', 40) .. 'b', ''))
        error: the playbook does too much, or does not end: it was stopped after 50000000 instructions
          at gpu.lua:2
        hint: Look for a loop that never ends, or for a very long text.

    "#]].assert_eq(&all);
}
