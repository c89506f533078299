//! Attempts to get out of a playbook, and to make two evaluations differ.

use expect_test::expect;

use crate::support::outcome;
use hoststate_lua::facts::NoHost;

const ATTEMPTS: &[&str] = &[
    "return io.popen('id')",
    "return os.getenv('HOME')",
    "return debug.getregistry()",
    "return package.loadlib('x', 'y')",
    "return coroutine.wrap(print)",
    "dofile('/etc/passwd')",
    "loadfile('/etc/passwd')",
    "load('return 1')()",
    "loadstring('return 1')()",
    "string.dump(print)",
    "collectgarbage('stop')",
    "require('../secret')",
    "require('/etc/passwd')",
    "require('a..b')",
    "require('io')",
    "getmetatable('').__index = nil",
    "setmetatable(host, {})",
    "host.distro = 1",
    "rawset(host, 'distro', 1)",
    "table.insert(host.pci, 1)",
    "host.distro.id = 'arch'",
    "log.info = nil",
    "print(getmetatable(host), getmetatable(''), rawget(host, 'pci'))",
    "print(_G._G == _G, rawget(_G, 'io'), rawget(_G, 'native'))",
    "print(math.random())",
    "string.format('%p', {})",
    "_ENV = { print = print }\nprint(io)",
    "print(pcall(load, 'x'))",
    "for name in pairs(_G) do print(name) end",
    "setmetatable(_G, { __index = function(_, k) return k end })\nprint(io)",
    "local t = setmetatable({}, { __gc = function() print('gc') end })\nt = nil",
    "pairs = nil ipairs = nil string.format = nil type = nil\niommu { vendor = 'GenuineIntel' }",
    "native = 1 composite = 1 pcall = nil\niommu { vendor = 'GenuineIntel' }",
];

#[test]
fn nothing_leads_out_of_a_playbook() {
    let all: String = ATTEMPTS.iter().map(|it| format!("{it}\n{}\n", outcome(&NoHost, it, &[]))).collect();
    expect![[r#"
        return io.popen('id')
        error: there is no `io` in a playbook
          at gpu.lua:1
        hint: A playbook reads no files, starts no programs and knows no clock; `host` has the facts it may use.

        return os.getenv('HOME')
        error: there is no `os` in a playbook
          at gpu.lua:1
        hint: A playbook reads no files, starts no programs and knows no clock; `host` has the facts it may use.

        return debug.getregistry()
        error: there is no `debug` in a playbook
          at gpu.lua:1
        hint: A playbook reads no files, starts no programs and knows no clock; `host` has the facts it may use.

        return package.loadlib('x', 'y')
        error: there is no `package` in a playbook
          at gpu.lua:1
        hint: A playbook reads no files, starts no programs and knows no clock; `host` has the facts it may use.

        return coroutine.wrap(print)
        error: there is no `coroutine` in a playbook
          at gpu.lua:1
        hint: A playbook reads no files, starts no programs and knows no clock; `host` has the facts it may use.

        dofile('/etc/passwd')
        error: there is no `dofile` in a playbook
          at gpu.lua:1
        hint: Use `require "name"` for a file beside the playbook.

        loadfile('/etc/passwd')
        error: there is no `loadfile` in a playbook
          at gpu.lua:1
        hint: Use `require "name"` for a file beside the playbook.

        load('return 1')()
        error: there is no `load` in a playbook
          at gpu.lua:1
        hint: Write the code into a file beside the playbook and `require` it.

        loadstring('return 1')()
        error: there is no function `loadstring`
          at gpu.lua:1
        hint: Did you mean `tostring`?

        string.dump(print)
        error: there is no function `dump` here
          at gpu.lua:1

        collectgarbage('stop')
        error: there is no `collectgarbage` in a playbook
          at gpu.lua:1
        hint: A playbook reads no files, starts no programs and knows no clock; `host` has the facts it may use.

        require('../secret')
        error: "../secret" is not the name of a module
          at gpu.lua:1
        hint: Write `require "name"` for `name.lua` beside the playbook, `require "folder.name"` below it.

        require('/etc/passwd')
        error: "/etc/passwd" is not the name of a module
          at gpu.lua:1
        hint: Write `require "name"` for `name.lua` beside the playbook, `require "folder.name"` below it.

        require('a..b')
        error: "a..b" is not the name of a module
          at gpu.lua:1
        hint: Write `require "name"` for `name.lua` beside the playbook, `require "folder.name"` below it.

        require('io')
        error: there is no module "io": no io.lua beside the playbook
          at gpu.lua:1
        hint: Write `require "name"` for `name.lua` beside the playbook, `require "folder.name"` below it.

        getmetatable('').__index = nil
        error: cannot index a boolean value
          at gpu.lua:1

        setmetatable(host, {})
        error: cannot change a protected metatable
          at gpu.lua:1

        host.distro = 1
        error: `host` is read-only, so `distro` cannot be set
          at gpu.lua:1
        hint: Keep it in a variable of your own.

        rawset(host, 'distro', 1)
        error: `host` is read-only, so `distro` cannot be set
          at gpu.lua:1
        hint: Keep it in a variable of your own.

        table.insert(host.pci, 1)
        error: `host.pci` is read-only, so `1` cannot be set
          at gpu.lua:1
        hint: Keep it in a variable of your own.

        host.distro.id = 'arch'
        error: `host.distro` is read-only, so `id` cannot be set
          at gpu.lua:1
        hint: Keep it in a variable of your own.

        log.info = nil
        error: `log` is read-only, so `info` cannot be set
          at gpu.lua:1
        hint: Keep it in a variable of your own.

        print(getmetatable(host), getmetatable(''), rawget(host, 'pci'))
        > false	false	nil

        print(_G._G == _G, rawget(_G, 'io'), rawget(_G, 'native'))
        > true	nil	nil

        print(math.random())
        error: there is no `math.random` in a playbook
          at gpu.lua:1
        hint: A playbook sees the host through `host` only: the same playbook and host always give the same plan.

        string.format('%p', {})
        error: `%p` gives an address, and that differs from run to run
          at gpu.lua:1
        hint: Use a field that names the thing.

        _ENV = { print = print }
        print(io)
        > nil

        print(pcall(load, 'x'))
        > false	gpu.lua:1: there is no `load` in a playbook

        for name in pairs(_G) do print(name) end
        > _G
        > _VERSION
        > assert
        > dofile
        > error
        > getmetatable
        > ipairs
        > load
        > loadfile
        > math
        > next
        > pairs
        > pcall
        > print
        > rawequal
        > rawget
        > rawlen
        > rawset
        > select
        > setmetatable
        > string
        > table
        > tonumber
        > tostring
        > type
        > utf8
        > xpcall

        setmetatable(_G, { __index = function(_, k) return k end })
        print(io)
        error: cannot change a protected metatable
          at gpu.lua:1

        local t = setmetatable({}, { __gc = function() print('gc') end })
        t = nil
        error: there is no `__gc` in a playbook
          at gpu.lua:1
        hint: Use a `<close>` variable for what must be done at the end of a block.

        pairs = nil ipairs = nil string.format = nil type = nil
        iommu { vendor = 'GenuineIntel' }
        gpu.lua:2: kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
        gpu.lua:2: kernel_cmdline "iommu without passthrough" {"absent":["iommu=off","iommu=soft"]}

        native = 1 composite = 1 pcall = nil
        iommu { vendor = 'GenuineIntel' }
        gpu.lua:2: kernel_cmdline "iommu" {"present":["intel_iommu=on"]}
        gpu.lua:2: kernel_cmdline "iommu without passthrough" {"absent":["iommu=off","iommu=soft"]}

    "#]].assert_eq(&all);
}
