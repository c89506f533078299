-- The same as gpu-passthrough.lua in one line. Ids, modules and the other
-- members of the IOMMU group are read from the host, so the address is all
-- that is left to say. `hoststate plan` shows which plain resources the line
-- became.
--
--   hoststate plan examples/gpu-passthrough-composite.lua --capture examples/hosts/ubuntu-24.04.host

gpu_passthrough { device = "0000:01:00.0" }
