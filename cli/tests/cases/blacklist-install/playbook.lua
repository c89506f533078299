modprobe_blacklist { module = "nouveau", install = true }
modprobe_blacklist { module = "nvidiafb" }
