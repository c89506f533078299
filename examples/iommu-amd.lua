-- Where the processor is AMD's, the IOMMU is on unless something stops it.
--
--   hoststate plan examples/iommu-amd.lua --capture examples/hosts/ubuntu-22.04.host

-- Many guides say `amd_iommu=on`. The kernel has no such word and ignores it.
-- `key=value` under `absent` removes just that word; `key` alone would remove
-- every parameter of the key, and `amd_iommu=force_isolation` may be wanted.
kernel_cmdline {
  present = { "iommu=pt" },
  absent = { "amd_iommu=off", "amd_iommu=on" },
}
