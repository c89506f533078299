//! The bytes of an image, taken in turn; some may be looked at before they are taken.

use std::io::{self, BufRead, Read};

/// Bytes that are held at once: an image is never in memory as a whole.
const HELD: usize = 256 << 10;

pub(super) struct Input<R> {
    reader: R,
    held: Vec<u8>,
    /// The first of `held` that was not taken, and the end of what was read.
    start: usize,
    end: usize,
    /// Where `start` is in the image.
    offset: u64,
}

impl<R: Read> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, held: vec![0; HELD], start: 0, end: 0, offset: 0 }
    }

    /// Bytes taken so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the next `length` bytes, fewer only at the end. They are still to be taken.
    pub(super) fn peek(&mut self, length: usize) -> io::Result<&[u8]> {
        if self.end - self.start < length {
            self.held.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            while self.end < length && self.read_more()? {}
        }
        Ok(self.held.get(self.start..self.end.min(self.start + length)).unwrap_or_default())
    }

    /// Takes the zero bytes that come next; returns whether another one follows.
    pub(super) fn skip_zeros(&mut self) -> io::Result<bool> {
        loop {
            let held = self.fill_buf()?;
            if held.is_empty() {
                return Ok(false);
            }
            let zeros = held.iter().take_while(|it| **it == 0).count();
            let is_all = zeros == held.len();
            self.consume(zeros);
            if !is_all {
                return Ok(true);
            }
        }
    }

    /// Reads behind what is held; false at the end.
    fn read_more(&mut self) -> io::Result<bool> {
        loop {
            match self.reader.read(self.held.get_mut(self.end..).unwrap_or_default()) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read > 0);
                }
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.read_more()?;
        }
        Ok(self.held.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        let amount = amount.min(self.end - self.start);
        self.start += amount;
        self.offset += amount as u64;
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut held = self.fill_buf()?;
        let read = held.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
