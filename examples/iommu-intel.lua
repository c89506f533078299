-- Switches the IOMMU on where the processor is Intel's.
--
--   hoststate plan examples/iommu-intel.lua --capture examples/hosts/centos-stream-9.host
--   hoststate plan examples/iommu-intel.lua --capture examples/hosts/centos-7.host
--   hoststate plan examples/iommu-intel.lua --capture examples/hosts/centos-6.host

-- Some kernels have it on by default (Ubuntu 24.04), others do not (CentOS).
-- Saying it is right for both. `iommu=pt` alone switches nothing on, and
-- `intel_iommu=pt` is no valid word.
kernel_cmdline {
  present = { "intel_iommu=on", "iommu=pt" },
}

-- `iommu { passthrough = true }` finds the words for this processor itself.
