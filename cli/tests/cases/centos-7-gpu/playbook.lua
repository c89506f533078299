gpu_passthrough { device = "0000:04:00.0" }
