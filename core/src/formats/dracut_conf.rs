//! dracut configuration, `/etc/dracut.conf` and `/etc/dracut.conf.d/*.conf`.
