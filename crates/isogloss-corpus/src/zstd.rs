//! Zstandard files of any number of frames.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Frames one after another, as `zstd` appends them and as packers of many threads write them.
///
/// The decoder beneath stops at the end of a frame and checks no sum: here the next frame follows,
/// what is to be skipped is skipped, and a sum that does not fit is an error.
pub(crate) struct ZstdReader<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

/// The first of the sixteen magic numbers of frames to be skipped.
const SKIPPED: u32 = 0x184d_2a50;

impl<R: BufRead> ZstdReader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), in_frame: false }
    }

    /// Goes into the next frame; `false` at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            let magic = self.word()?;
            if magic & !0xf != SKIPPED {
                let header = magic.to_le_bytes();
                let frame = header.chain(&mut self.source);
                self.decoder.init(frame).map_err(io::Error::other)?;
                self.in_frame = true;
                return Ok(true);
            }
            let length = u64::from(self.word()?);
            if io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(false)
    }

    fn word(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.source.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn end_frame(&mut self) -> io::Result<()> {
        self.in_frame = false;
        let stated = self.decoder.get_checksum_from_data();
        match (stated, self.decoder.get_calculated_checksum()) {
            (Some(stated), Some(found)) if stated != found => {
                let fault = format!("a frame with the checksum {found:08x}, expected {stated:08x}");
                Err(io::Error::new(io::ErrorKind::InvalidData, fault))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.in_frame || self.next_frame()? {
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.source, one).map_err(io::Error::other)?;
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            self.end_frame()?;
        }
        Ok(0)
    }
}
