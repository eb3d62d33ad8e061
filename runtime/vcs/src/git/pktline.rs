//! git's framing of a connection: four hexadecimal digits of length, then the bytes.

use super::command::{io_error, malformed};
use foureyes_ports::vcs::{Result, VcsError};
use std::{
    io::{ErrorKind, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    time::Duration,
};
use tokio::time::Instant;

/// Longest packet with its length.
pub(super) const LARGEST: usize = 65_520;

/// A connection with one deadline for all that is read from it.
pub(super) struct Wire<'a> {
    stream: &'a UnixStream,
    deadline: Instant,
}

impl<'a> Wire<'a> {
    /// Takes a connection over, which becomes a blocking one.
    pub fn new(stream: &'a UnixStream, time: Duration) -> Result<Self> {
        stream.set_nonblocking(false).map_err(|e| io_error("preparing the connection", e))?;
        stream.set_write_timeout(Some(time)).map_err(|e| io_error("preparing the connection", e))?;
        Ok(Self { stream, deadline: Instant::now() + time })
    }

    /// What is left of the time.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// One packet: `None` for a flush. Reads not one byte more, since what follows may be for a
    /// child process.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>> {
        let mut digits = [0; 4];
        self.read_exact(&mut digits)?;
        let text = std::str::from_utf8(&digits).ok();
        let length = text.and_then(|t| usize::from_str_radix(t, 16).ok()).filter(|n| *n <= LARGEST);
        match length.ok_or_else(|| malformed("packet", &digits))? {
            0 => Ok(None),
            1..=4 => Err(malformed("packet", &digits)),
            length => {
                let mut packet = vec![0; length - 4];
                self.read_exact(&mut packet)?;
                Ok(Some(packet))
            }
        }
    }

    /// Fills the buffer.
    pub fn read_exact(&mut self, mut buffer: &mut [u8]) -> Result<()> {
        while !buffer.is_empty() {
            let left = self.time_left();
            if left.is_zero() {
                return Err(VcsError::Protocol("the client took too long; push less at once".to_owned()));
            }
            self.stream.set_read_timeout(Some(left)).map_err(|e| io_error("preparing the connection", e))?;
            match (&mut &*self.stream).read(buffer) {
                Ok(0) => return Err(io_error("reading from the client", ErrorKind::UnexpectedEof.into())),
                Ok(n) => buffer = &mut buffer[n..],
                Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
                Err(e) => return Err(io_error("reading from the client", e)),
            }
        }
        Ok(())
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        (&mut &*self.stream).write_all(bytes).map_err(|e| io_error("answering the client", e))
    }

    /// Ends our half and reads what the client still sends, for a while: closing a socket with
    /// unread bytes would take the answer away from the client.
    pub fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let until = Instant::now() + Duration::from_secs(5);
        let mut buffer = [0; 16 << 10];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                return;
            }
            match (&mut &*self.stream).read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    /// The socket itself, for a child that reads it.
    pub fn stream(&self) -> &UnixStream {
        self.stream
    }
}

/// One packet.
pub(super) fn packet(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:04x}", payload.len() + 4).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// Bytes on one band of the side-band protocol, in as many packets as they need.
pub(super) fn band(number: u8, payload: &[u8]) -> Vec<u8> {
    let framed = |chunk: &[u8]| packet(&[&[number], chunk].concat());
    payload.chunks(LARGEST - 5).flat_map(framed).collect()
}

/// Ends a list of packets.
pub(super) const FLUSH: &[u8] = b"0000";

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(bytes: &[u8]) -> Result<Option<Vec<u8>>> {
        let (ours, mut theirs) = UnixStream::pair().expect("pair");
        theirs.write_all(bytes).expect("write");
        drop(theirs);
        Wire::new(&ours, Duration::from_secs(5)).expect("wire").read()
    }

    #[test]
    fn packets_are_framed() {
        assert_eq!(packet(b"ok\n"), b"0007ok\n");
        assert_eq!(reading(b"0007ok\nrest").expect("packet"), Some(b"ok\n".to_vec()));
        assert_eq!(reading(b"0000").expect("flush"), None);
        assert_eq!(band(2, b"x"), b"0006\x02x");
        assert_eq!(band(1, &vec![0; LARGEST]).len(), LARGEST + 10);
    }

    #[test]
    fn bad_lengths_are_refused() {
        for bytes in [&b"0001"[..], b"0004", b"zzzz", b"ffff", b"00", b"0010abc"] {
            assert!(reading(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_client_that_stalls_is_left() {
        let (ours, _theirs) = UnixStream::pair().expect("pair");
        let error = Wire::new(&ours, Duration::from_millis(20)).expect("wire").read().expect_err("stall");
        assert!(error.to_string().contains("too long"), "{error}");
    }
}
