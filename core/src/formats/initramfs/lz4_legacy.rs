//! The LZ4 legacy frame, the only one the kernel reads (lib/decompress_unlz4.c).

use std::io::{self, BufRead, Read};

use super::input::Input;

/// Its magic, 0x184C2102.
pub(super) const MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
/// Every block but the last unpacks to this many bytes.
const BLOCK: usize = 8 << 20;
/// Largest packed block (`LZ4_COMPRESSBOUND`).
const MAX_PACKED: usize = BLOCK + BLOCK / 255 + 16;

/// Unpacks blocks of `length, bytes` until the input ends or something else than a block follows.
pub(super) struct Lz4Legacy<R> {
    input: Input<R>,
    packed: Vec<u8>,
    block: Vec<u8>,
    at: usize,
}

impl<R: Read> Lz4Legacy<R> {
    /// Starts at the magic of `input`.
    pub(super) fn new(input: Input<R>) -> Self {
        Self { input, packed: Vec::new(), block: Vec::new(), at: 0 }
    }

    /// What follows the last block.
    pub(super) fn into_rest(self) -> Input<R> {
        self.input
    }

    /// Unpacks the next block; false at the end.
    fn next_block(&mut self) -> io::Result<bool> {
        while self.input.peek(MAGIC.len())? == MAGIC {
            self.input.consume(MAGIC.len());
        }
        let Some(length) = self.input.peek(size_of::<u32>())?.first_chunk() else {
            return Ok(false);
        };
        // Zero bytes are padding, and no block has a length that the magic of another archive would make.
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || length > MAX_PACKED {
            return Ok(false);
        }
        self.input.consume(size_of::<u32>());
        self.packed.clear();
        if (&mut self.input).take(length as u64).read_to_end(&mut self.packed)? < length {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an lz4 block ends too early"));
        }
        self.block.resize(BLOCK, 0);
        let unpacked = lz4_flex::block::decompress_into(&self.packed, &mut self.block)
            .map_err(|err| io::Error::new(io::ErrorKind::InvalidData, err))?;
        self.block.truncate(unpacked);
        self.at = 0;
        Ok(true)
    }
}

impl<R: Read> Read for Lz4Legacy<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at >= self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let mut available = self.block.get(self.at..).unwrap_or_default();
        let read = available.read(buffer)?;
        self.at += read;
        Ok(read)
    }
}
