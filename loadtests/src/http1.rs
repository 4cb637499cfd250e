//! Reading HTTP/1.1 answers by hand, without a client library in between.
//!
//! Two reasons: the generator must cost less than what it measures, and it must see each read of the
//! socket as it happened, since a proxy that lumps chunks together looks cheaper than it is. The
//! reader holds no socket, so that tests can cut its input anywhere (RFC 9112, sections 6 and 7).

/// Longer lines in a head are refused.
const LONGEST_LINE: usize = 16 * 1024;

/// Reads one answer, in any pieces.
#[derive(Debug, Default)]
pub struct ResponseReader {
    stage: Stage,
    line: Vec<u8>,
    status: u16,
    framing: Framing,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Stage {
    #[default]
    StatusLine,
    Headers,
    /// A body, or one chunk of it, of which so many bytes are missing.
    Data(u64),
    ChunkSize,
    ChunkEnd,
    Trailers,
    Done,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Framing {
    #[default]
    Unknown,
    Length(u64),
    Chunked,
}

/// Bytes that are no HTTP/1.1 answer of a kind known here.
#[derive(Debug, thiserror::Error)]
#[error("malformed answer: {0}")]
pub struct Malformed(&'static str);

// === impl ResponseReader ===

impl ResponseReader {
    /// The answer's status; 0 until its first line was read.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the answer was read to its end.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Reads the next bytes and hands on those that belong to the body.
    pub fn feed(&mut self, mut bytes: &[u8], mut body: impl FnMut(&[u8])) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            match self.stage {
                Stage::Data(missing) => {
                    let taken = bytes.len().min(usize::try_from(missing).unwrap_or(usize::MAX));
                    body(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    self.advance(missing - taken as u64);
                }
                Stage::Done => return Err(Malformed("more bytes than announced")),
                Stage::StatusLine
                | Stage::Headers
                | Stage::ChunkSize
                | Stage::ChunkEnd
                | Stage::Trailers => bytes = self.take_line(bytes)?,
            }
        }
        Ok(())
    }

    fn advance(&mut self, missing: u64) {
        self.stage = match (missing, self.framing) {
            (0, Framing::Chunked) => Stage::ChunkEnd,
            (0, _) => Stage::Done,
            (missing, _) => Stage::Data(missing),
        };
    }

    /// Takes bytes up to the end of the line, and acts on the line once it is whole.
    fn take_line<'bytes>(&mut self, bytes: &'bytes [u8]) -> Result<&'bytes [u8], Malformed> {
        let end = memchr::memchr(b'\n', bytes);
        let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        if self.line.len() + part.len() > LONGEST_LINE {
            return Err(Malformed("a line of the head is too long"));
        }
        self.line.extend_from_slice(part);
        if end.is_some() {
            let mut line = std::mem::take(&mut self.line);
            self.stage = self.read_line(line.trim_ascii_end())?;
            // The allocation is used again for the next line.
            line.clear();
            self.line = line;
        }
        Ok(rest)
    }

    fn read_line(&mut self, line: &[u8]) -> Result<Stage, Malformed> {
        match self.stage {
            Stage::StatusLine => {
                self.status = read_status(line)?;
                Ok(Stage::Headers)
            }
            Stage::Headers if line.is_empty() => self.begin_body(),
            Stage::Headers => self.read_header(line).map(|()| Stage::Headers),
            Stage::ChunkSize => match read_chunk_size(line)? {
                0 => Ok(Stage::Trailers),
                size => Ok(Stage::Data(size)),
            },
            Stage::ChunkEnd if line.is_empty() => Ok(Stage::ChunkSize),
            Stage::ChunkEnd => Err(Malformed("a chunk is longer than its size")),
            Stage::Trailers if line.is_empty() => Ok(Stage::Done),
            same @ (Stage::Trailers | Stage::Data(_) | Stage::Done) => Ok(same),
        }
    }

    fn read_header(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let colon = memchr::memchr(b':', line).ok_or(Malformed("a header without a colon"))?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            self.framing = Framing::Length(length.ok_or(Malformed("content-length"))?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.framing = Framing::Chunked;
        }
        Ok(())
    }

    fn begin_body(&self) -> Result<Stage, Malformed> {
        match self.framing {
            Framing::Length(0) => Ok(Stage::Done),
            Framing::Length(length) => Ok(Stage::Data(length)),
            Framing::Chunked => Ok(Stage::ChunkSize),
            Framing::Unknown => Err(Malformed("neither content-length nor transfer-encoding")),
        }
    }
}

fn read_status(line: &[u8]) -> Result<u16, Malformed> {
    let code = line.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    code.and_then(|code| std::str::from_utf8(code).ok())
        .and_then(|code| code.parse().ok())
        .ok_or(Malformed("no HTTP/1.1 status line"))
}

fn read_chunk_size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or(line).trim_ascii();
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or(Malformed("chunk size"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the answer in two pieces and returns status and body once it is done.
    fn read(answer: &[u8], cut: usize) -> Option<(u16, Vec<u8>)> {
        let mut reader = ResponseReader::default();
        let mut body = Vec::new();
        reader.feed(&answer[..cut], |part| body.extend_from_slice(part)).ok()?;
        reader.feed(&answer[cut..], |part| body.extend_from_slice(part)).ok()?;
        reader.is_done().then_some((reader.status(), body))
    }

    #[test]
    fn both_framings_survive_any_cut() {
        let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".as_slice();
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
            2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nt: 1\r\n\r\n"
            .as_slice();
        for answer in [sized, chunked] {
            for cut in 0..=answer.len() {
                assert_eq!(read(answer, cut), Some((200, b"hello".to_vec())), "cut at {cut}");
            }
        }
    }

    #[test]
    fn an_answer_cut_short_is_not_done() {
        assert_eq!(read(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", 9), None);
        assert_eq!(
            read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n", 9),
            None
        );
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for answer in [
            "SSH-2.0-x\r\n",
            "HTTP/1.1 200 OK\r\n\r\nbody without a length",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxy",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxy\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            let mut reader = ResponseReader::default();
            assert!(reader.feed(answer.as_bytes(), |_| ()).is_err(), "{answer:?}");
        }
    }
}
