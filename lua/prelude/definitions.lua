
---The type of each field that does not exist.
---@alias hoststate.no_such_field "there is no such field"

---What exactly one device is.
---@class (exact) hoststate.selector
---@field address? string Its address.
---@field vendor? string Vendor id, hexadecimal.
---@field device? string Device id, hexadecimal.
---@field class? string Class by name, such as `display`, or by the first digits of its code.
---@field interface? string Name of one of its network interfaces.
---@field mac? string Hardware address that one of its network interfaces was made with.
---@field serial? string Serial number.
---@field slot? string Label of its slot.
---@field path? string The way to it over the bridges, such as `0000:00:1c.0/00.0`.
---@field function? integer Its function number, 0 to 7.

---A PCI device: its address, what exactly one device is, or one that was found.
---@alias hoststate.DeviceSelector string|hoststate.selector|hoststate.device

---@class hoststate.devices
---@field [integer] hoststate.device

---@class hoststate.pci: hoststate.devices
local pci = {}

---Returns the devices that a selector matches, by address; an empty list when there is none.
---@param selector hoststate.selector
---@return hoststate.devices
function pci:find(selector) end

---The distribution, by its os-release.
---@class hoststate.distro
---@field id? string `ID`, such as `debian`.
---@field version? string `VERSION_ID`, such as `12`; empty where a release has none.
---@field family? "debian"|"redhat" Whose tools it has.

---The running kernel.
---@class hoststate.kernel
---@field release? string Its release, as `uname -r` prints it; absent for a tree without /proc.

---The processor.
---@class hoststate.cpu
---@field vendor? string Who made it, in the kernel's words: `GenuineIntel`, `AuthenticAMD`.

---Facts about the host. Read-only; each is read when it is first used.
---@class hoststate.host
---@field available boolean Whether there is a host; `hoststate check` looks at none.
---@field distro hoststate.distro The distribution.
---@field kernel hoststate.kernel The running kernel.
---@field cpu hoststate.cpu The processor.
---@field pci hoststate.pci The PCI devices, by address.
host = {}

---Messages, on standard error.
---@class hoststate.log
log = {}

---@param ... any
function log.info(...) end

---@param ... any
function log.warn(...) end

---@class (exact) hoststate.resource_type
---@field name string `vendor.type`, both of lower-case letters, digits and `_`.
---@field description? string What it is for.
---@field fields table<string, table> JSON Schema of each field.
---@field required? string[] Fields that each declaration has.
---@field key? string[] Fields whose values name a declaration without `name`.
---@field examples? table[] `desired` values, with the `files` and `links` of a host that is not so.
---@field version? string Version of the file; its first type that gives one counts.
---@field inspect fun(desired: table, host: hoststate.type_host): hoststate.inspection Compares a declaration with the host.

---Describes a resource type, in a file beside the playbook that requires it or in a folder of plugins.
---@param fields hoststate.resource_type
function resource_type(fields) end

---Every setting that a declaration governs, as found and as wanted.
---@class (exact) hoststate.inspection
---@field settings? hoststate.setting[] Those that are as wanted, too.
---@field resources? table[] Declarations of built-in types that are part of it.

---@class (exact) hoststate.setting
---@field scope "persistent"|"runtime" Whether it survives a boot, or is true now.
---@field subject string What is compared, in words found on the host.
---@field disruption? "none"|"device"|"network"|"reboot" What the change interrupts.
---@field state hoststate.state How it stands.

---@class (exact) hoststate.state
---@field state "converged"|"drifted"|"blocked"|"deferred" As wanted; different; different for a reason elsewhere; not to be read yet.
---@field actual? string As found; absent when there is nothing.
---@field desired? string As wanted; absent when there shall be nothing.
---@field remedy? hoststate.remedy What makes a drifted setting as wanted.
---@field by? { file: string, line?: integer } The place that decides about a blocked setting.
---@field reason? string Why it is blocked, or what is waited for.

---@class (exact) hoststate.remedy
---@field steps? hoststate.step[] Steps, in this order.
---@field activation? { kind: "udev_reload"|"initramfs"|"boot_config"|"reboot", kernel?: string } Or one that settings share.

---@class (exact) hoststate.step
---@field kind "write_file"|"edit_file"|"remove_file"|"write_attribute"
---@field path string
---@field text? string The whole new text of a file.
---@field edits? { line?: integer, removed?: string, inserted?: string }[] Whole lines that are taken out and put in; without `line`, at the end.
---@field value? string What is written to an attribute.

---The host as it will be when the declarations before this one are applied.
---@class hoststate.type_host
---@field distro { id: string, version: string, family: string } Its distribution.
local type_host = {}

---Returns the text of a file; nil when there is none.
---@param path string
---@return string?
function type_host:read(path) end

---Returns the text of a file without the line end behind it; nil when there is none.
---@param path string
---@return string?
function type_host:attribute(path) end

---Returns the names in a directory, sorted; none when there is none.
---@param path string
---@return string[]
function type_host:list(path) end

---Returns whether something is there.
---@param path string
---@return boolean
function type_host:exists(path) end

---Returns what a symbolic link holds; nil when there is none.
---@param path string
---@return string?
function type_host:link(path) end
