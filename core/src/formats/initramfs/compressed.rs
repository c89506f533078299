//! Compressed stretches of an image.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;
use lz4_flex::frame::FrameDecoder;

use super::input::Input;
use super::lz4_legacy::{self, Lz4Legacy};

/// Most memory an xz or lzma stream may ask for; `xz -9` needs 65 MiB to unpack.
const XZ_MEMORY: u64 = 256 << 20;
/// Largest zstd window as a power of two; `zstd --ultra -22` needs 27.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Compressions by magic (lib/decompress.c).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
    Xz,
    Lzma,
    Lz4Legacy,
    Lz4Frame,
    Bzip2,
    Lzo,
}

impl Compression {
    /// Bytes that tell every one of them.
    pub(super) const MAGIC: usize = 6;

    pub(super) fn detect(bytes: &[u8]) -> Option<Self> {
        let magics: [(&[u8], Self); 9] = [
            (&[0x1f, 0x8b], Self::Gzip),
            (&[0x1f, 0x9e], Self::Gzip),
            (&[0x28, 0xb5, 0x2f, 0xfd], Self::Zstd),
            (&[0xfd, b'7', b'z', b'X', b'Z', 0], Self::Xz),
            (&[0x5d, 0, 0], Self::Lzma),
            (&lz4_legacy::MAGIC, Self::Lz4Legacy),
            (&[0x04, 0x22, 0x4d, 0x18], Self::Lz4Frame),
            (b"BZh", Self::Bzip2),
            (&[0x89, b'L', b'Z', b'O'], Self::Lzo),
        ];
        magics.into_iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, compression)| compression)
    }

    /// Returns the name of a compression that cannot be read here.
    pub(super) fn unsupported(self) -> Option<&'static str> {
        match self {
            Self::Bzip2 => Some("bzip2"),
            Self::Lzo => Some("lzo"),
            _ => None,
        }
    }
}

pub(super) enum Decoder<R: Read> {
    Gzip(Box<GzDecoder<Input<R>>>),
    Zstd(zstd::stream::read::Decoder<'static, Input<R>>),
    Xz(XzDecoder<Input<R>>),
    Lz4Legacy(Lz4Legacy<R>),
    Lz4Frame(Box<FrameDecoder<Input<R>>>),
}

impl<R: Read> Decoder<R> {
    /// Starts where the input is; gives it back where no stream that can be read begins.
    fn open(mut input: Input<R>) -> io::Result<Result<Self, Input<R>>> {
        let Some(compression) = Compression::detect(input.peek(Compression::MAGIC)?) else {
            return Ok(Err(input));
        };
        let decoder = match compression {
            Compression::Gzip => Self::Gzip(Box::new(GzDecoder::new(input))),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Self::Zstd(decoder)
            }
            Compression::Xz => {
                Self::Xz(XzDecoder::new_stream(input, Stream::new_stream_decoder(XZ_MEMORY, 0)?))
            }
            Compression::Lzma => Self::Xz(XzDecoder::new_stream(input, Stream::new_lzma_decoder(XZ_MEMORY)?)),
            Compression::Lz4Legacy => Self::Lz4Legacy(Lz4Legacy::new(input)),
            Compression::Lz4Frame => Self::Lz4Frame(Box::new(FrameDecoder::new(input))),
            Compression::Bzip2 | Compression::Lzo => return Ok(Err(input)),
        };
        Ok(Ok(decoder))
    }

    fn into_rest(self) -> Input<R> {
        match self {
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
            Self::Xz(decoder) => decoder.into_inner(),
            Self::Lz4Legacy(decoder) => decoder.into_rest(),
            Self::Lz4Frame(decoder) => decoder.into_inner(),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
            Self::Xz(decoder) => decoder.read(buffer),
            Self::Lz4Legacy(decoder) => decoder.read(buffer),
            Self::Lz4Frame(decoder) => decoder.read(buffer),
        }
    }
}

/// Unpacks compressed streams that follow each other as one: an archive may go on in the next (parallel packers
/// write many).
pub(super) enum Compressed<R: Read> {
    /// A stream that may go on, boxed like its decoders.
    Within(Box<Decoder<R>>),
    /// What follows the last stream.
    Behind(Input<R>),
    /// A stream that was damaged, or was left while it was opened.
    Broken,
}

impl<R: Read> Compressed<R> {
    pub(super) fn open(input: Input<R>) -> io::Result<Self> {
        Ok(match Decoder::open(input)? {
            Ok(decoder) => Self::Within(Box::new(decoder)),
            Err(input) => Self::Behind(input),
        })
    }

    /// Returns what follows the last stream, once everything is read.
    pub(super) fn into_rest(self) -> Option<Input<R>> {
        match self {
            Self::Behind(input) => Some(input),
            Self::Within(_) | Self::Broken => None,
        }
    }
}

impl<R: Read> Read for Compressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Self::Within(decoder) = self {
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if let Self::Within(decoder) = std::mem::replace(self, Self::Broken) {
                let mut rest = decoder.into_rest();
                rest.skip_zeros()?;
                *self = Self::open(rest)?;
            }
        }
        Ok(0)
    }
}
