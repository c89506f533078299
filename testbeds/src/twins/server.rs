//! The servers of functions (vfio-user): QEMU asks them for a configuration space, and behind its addresses is nothing.

use std::{
    fs::File,
    io,
    mem::size_of,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use serde_json::json;
use vfio_bindings::bindings::vfio;
use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion};

use super::space::Space;
use crate::{
    beds::vm::toolbox::Toolbox,
    error::{Error, Result},
};

/// What is behind the only address that a function has.
const MEMORY: u64 = 0x1000;

/// Where a function sits: bus, slot, number, and whether its device has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) bus: String,
    pub(crate) slot: u8,
    pub(crate) function: u8,
    pub(crate) multifunction: bool,
}

/// The servers of a machine's functions, for as long as this lives.
pub(crate) struct Twins {
    /// Its sockets: a name of theirs must be short.
    directory: tempfile::TempDir,
    over: Arc<AtomicBool>,
    servers: Vec<JoinHandle<()>>,
}

impl Twins {
    /// Starts a server for each space.
    pub(crate) fn serve(spaces: impl IntoIterator<Item = Space>) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut twins = Self { directory, over: Arc::default(), servers: Vec::new() };
        for space in spaces {
            let server = Server::new(&twins.socket(twins.servers.len()), true, interrupts(), regions(&space))
                .map_err(|err| Error::Io(io::Error::other(err.to_string())))?;
            let over = Arc::clone(&twins.over);
            twins.servers.push(thread::spawn(move || {
                let mut device = Device { now: space.clone(), first: space };
                // A machine may be started several times.
                while !over.load(Ordering::Relaxed) {
                    match server.run(&mut device) {
                        Err(vfio_user::Error::SocketAccept(_)) => break,
                        // QEMU has ended, in order or not.
                        Ok(()) | Err(_) => device.now.clone_from(&device.first),
                    }
                }
            }));
        }
        Ok(twins)
    }

    /// QEMU's arguments for the functions, each in its seat; `memory` is the machine's, in MiB, which it shares with them.
    pub(crate) fn arguments<'a>(
        &self,
        seats: impl IntoIterator<Item = &'a Seat>,
        memory: u32,
        toolbox: &Toolbox,
    ) -> Vec<String> {
        let mut words = vec![
            "-object".to_owned(),
            format!("memory-backend-memfd,id=ram,size={memory}M,share=on"),
            "-machine".to_owned(),
            "memory-backend=ram".to_owned(),
        ];
        for (number, seat) in seats.into_iter().enumerate() {
            let socket = toolbox.inside(&self.socket(number));
            words.extend(["-device".to_owned(), argument(seat, &socket)]);
        }
        words
    }

    fn socket(&self, number: usize) -> PathBuf {
        self.directory.path().join(number.to_string())
    }
}

/// A function as `-device` takes it.
fn argument(seat: &Seat, socket: &str) -> String {
    json!({
        "driver": "vfio-user-pci",
        "bus": seat.bus,
        "addr": format!("{:x}.{}", seat.slot, seat.function),
        "multifunction": seat.multifunction,
        "socket": { "type": "unix", "path": socket },
    })
    .to_string()
}

impl Drop for Twins {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for (number, server) in std::mem::take(&mut self.servers).into_iter().enumerate() {
            // One that waits for QEMU is woken; one that has ended needs no more.
            drop(UnixStream::connect(self.socket(number)));
            drop(server.join());
        }
    }
}

/// A function that is asked.
struct Device {
    first: Space,
    now: Space,
}

impl ServerBackend for Device {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        data.fill(0);
        let Ok(at) = usize::try_from(offset) else { return Ok(()) };
        if region == vfio::VFIO_PCI_CONFIG_REGION_INDEX
            && let Some(bytes) = self.now.bytes().get(at..at + data.len())
        {
            data.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        if let (vfio::VFIO_PCI_CONFIG_REGION_INDEX, Ok(at)) = (region, usize::try_from(offset)) {
            self.now.write(at, data);
        }
        Ok(())
    }

    fn dma_map(&mut self, _: DmaMapFlags, _: u64, _: u64, _: u64, _: Option<File>) -> io::Result<()> {
        Ok(())
    }

    fn dma_unmap(&mut self, _: DmaUnmapFlags, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        self.now.clone_from(&self.first);
        Ok(())
    }

    fn set_irqs(&mut self, _: u32, _: u32, _: u32, _: u32, _: Vec<File>) -> io::Result<()> {
        Ok(())
    }
}

fn regions(space: &Space) -> Vec<ServerRegion> {
    let region = |index| {
        let size = match index {
            vfio::VFIO_PCI_CONFIG_REGION_INDEX => space.bytes().len() as u64,
            vfio::VFIO_PCI_BAR0_REGION_INDEX => MEMORY,
            _ => 0,
        };
        let flags =
            if size > 0 { vfio::VFIO_REGION_INFO_FLAG_READ | vfio::VFIO_REGION_INFO_FLAG_WRITE } else { 0 };
        let argsz = size_of::<vfio::vfio_region_info>() as u32;
        let region_info = vfio::vfio_region_info { argsz, flags, index, size, ..Default::default() };
        ServerRegion { region_info, sparse_areas: Vec::new(), mmap_fd: None }
    };
    (0..vfio::VFIO_PCI_NUM_REGIONS).map(region).collect()
}

fn interrupts() -> Vec<IrqInfo> {
    let interrupt = |index| {
        let is_line = index == vfio::VFIO_PCI_INTX_IRQ_INDEX;
        IrqInfo {
            index,
            flags: if is_line { vfio::VFIO_IRQ_INFO_EVENTFD } else { 0 },
            count: u32::from(is_line),
        }
    };
    (0..vfio::VFIO_PCI_NUM_IRQS).map(interrupt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twins::Identity;

    fn space(device: u16) -> Space {
        Space::from(&Identity {
            vendor: 0x10de,
            device,
            subsystem: (0x10de, 1),
            class: 0x03_0000,
            revision: 1,
            express: true,
            serial: None,
        })
    }

    #[test]
    fn each_server_answers_for_its_own_function_and_again_for_a_machine_that_is_started_again() {
        let twins = Twins::serve([space(0x0ffc), space(0x0e1b)]).unwrap();
        for _ in 0..2 {
            for (number, device) in [0x0ffc, 0x0e1b_u16].into_iter().enumerate() {
                let mut client = vfio_user::Client::new(&twins.socket(number)).unwrap();
                let mut read = [0; 4];
                client.region_read(vfio::VFIO_PCI_CONFIG_REGION_INDEX, 0, &mut read).unwrap();
                assert_eq!(read, [0xde, 0x10, device.to_le_bytes()[0], device.to_le_bytes()[1]]);
                client.region_write(vfio::VFIO_PCI_CONFIG_REGION_INDEX, 4, &[7, 0]).unwrap();
                client.region_read(vfio::VFIO_PCI_CONFIG_REGION_INDEX, 4, &mut read).unwrap();
                assert_eq!(read[0], 7);
                client.shutdown().unwrap();
            }
        }
    }

    #[test]
    fn servers_that_nobody_asked_end() {
        drop(Twins::serve([space(1), space(2)]).unwrap());
    }

    #[test]
    fn a_function_is_described_as_qemu_takes_it() {
        let seat = Seat { bus: "port1".into(), slot: 0x1f, function: 1, multifunction: true };
        let read: serde_json::Value = serde_json::from_str(&argument(&seat, "/host/a \"b\"")).unwrap();
        assert_eq!(read["addr"], "1f.1");
        assert_eq!(read["multifunction"], true);
        assert_eq!(read["socket"]["path"], "/host/a \"b\"");
    }
}
