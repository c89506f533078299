//! Patterns mean what they mean in any Lua.

use expect_test::expect;

use crate::support::check;

#[test]
fn patterns_match_as_the_manual_says() {
    check(
        r#"
local function show(...) print(table.concat({ ... }, "|")) end
show(("0000:01:00.0"):match("^(%x+):(%x+):(%x+)%.(%d)$"))
show(("key = value # c"):match("^(%w+)%s*=%s*(%S.-)%s*#"))
show(("THE (quick) fox"):find("%((%a+)%)"))
show(("hello world"):find("wor", 1, true), ("a.b"):find(".", 2, true), ("a+b"):find("+", 1, true))
show(("hello"):find("l", -2), ("hello"):find("xyz") or "none", ("hello"):find("", 10) or "none", ("x"):find(""))
show(("f(a(b)c)d"):match("%b()"), ("THE (quick) fox"):gsub("%f[%a]%a+", "w"))
show(("abc"):gsub("", "-"))
show(("abc abc"):gsub("%w", "%0%0", 4))
show(("hello world"):gsub("(%w+) (%w+)", "%2 %1"))
show(("$name is $age"):gsub("%$(%w+)", { name = "x", age = 3 }))
show(("abc"):gsub("%w", function(c) if c == "b" then return false end return c:upper() end))
show(("a,b,,c"):gsub(",", ";"))
for k, v in ("a=1, b=2"):gmatch("(%w+)=(%w+)") do show(k, v) end
for w in ("one two"):gmatch("%a+") do show(w) end
for p in ("abc"):gmatch("()") do show(p) end
show(("x]y"):match("[]]"), ("x^y"):match("[x^]+"), ("a-b"):match("[a%-]+"), ("5-"):match("[0-9-]+"))
show(("  trim  "):match("^%s*(.-)%s*$"), ("aXb"):match("%u"), #("\t"):match("%c"))
show(("abab"):match("^(ab)%1$"), ("aaa"):match("a-b") or "none", ("aaa"):match("a?a?a?a?"), ("key"):match(".", -1))
show(("hello"):gsub("l+", "%%"), ("^a"):match("^^a"), ("a$"):match("a$$"))
"#,
        expect![[r#"
            > 0000|01|00|0
            > key|value
            > 5|11|quick
            > 7|2|2|2
            > 4|none|none|1|0
            > (a(b)c)|w (w) w|3
            > -a-b-c-|4
            > aabbcc aabc|4
            > world hello|1
            > x is 3|2
            > AbC|3
            > a;b;;c|3
            > a|1
            > b|2
            > one
            > two
            > 1
            > 2
            > 3
            > 4
            > ]|x^|a-|5-
            > trim|X|1
            > ab|none|aaa|y
            > he%o|^a|a$
        "#]],
    );
}

#[test]
fn a_wrong_pattern_is_an_error() {
    check(
        r#"
print(pcall(string.find, 'a', '[a'))
print(pcall(string.find, 'a', '%'))
print(pcall(string.match, 'a', '(a'))
print(pcall(string.match, 'a', 'a)'))
print(pcall(string.match, 'a', '%1'))
print(pcall(string.gsub, 'a', 'a', '%2'))
print(pcall(string.gsub, 'a', 'a', true))
print(pcall(string.gsub, 'a', '%f', ''))
print(pcall(string.rep))
"#,
        expect![[r#"
            > false	gpu.lua:2: missing `]` in pattern
            > false	gpu.lua:3: pattern ends with `%`
            > false	gpu.lua:4: unfinished capture
            > false	gpu.lua:5: invalid pattern capture
            > false	gpu.lua:6: invalid capture index %1
            > false	gpu.lua:7: invalid capture index %2 in the replacement
            > false	gpu.lua:8: `gsub` takes a text, table or function as replacement, got a boolean
            > false	gpu.lua:9: missing `[` after `%f` in pattern
            > false	hoststate:sandbox:323: bad argument #1 to 'rep' (string expected, got nil)
        "#]],
    );
    check(
        "\nprint(string.find(nil, 'x'))",
        expect![[r#"
        error: error converting Lua nil to string (expected string or number)
          at gpu.lua:2
    "#]],
    );
    check(
        "\nprint(('x'):find({}))",
        expect![[r#"
        error: error converting Lua table to string (expected string or number)
          at gpu.lua:2
    "#]],
    );
}
