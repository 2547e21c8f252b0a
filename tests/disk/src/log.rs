//! The log of what a process did to the files of a folder: how its entries are written and read.
//!
//! The preloaded library writes it, and the tests that replay it read it; both compile this file.

#![allow(dead_code, reason = "one half is for either side")]

/// One entry: what happened, in the order in which it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A process began; handles are counted anew.
    Start,
    /// A file was opened. The name is relative to the folder, and empty for the folder itself.
    Open {
        /// Stands for it from now on.
        handle: u32,
        /// Whether it was not there before.
        created: bool,
        /// Whether its content was thrown away.
        emptied: bool,
        /// Its name.
        name: String,
    },
    /// Bytes were written.
    Write {
        /// Where.
        handle: u32,
        /// At which byte of the file.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// A file got another length.
    Resize {
        /// Which.
        handle: u32,
        /// Its length.
        length: u64,
    },
    /// A sync began: it is about what was written before.
    SyncBegin {
        /// Of what.
        handle: u32,
    },
    /// The sync that had begun came back.
    SyncEnd {
        /// Of what.
        handle: u32,
        /// Whether it succeeded. If not, what it was about may be lost even if a later one does.
        held: bool,
    },
    /// A name was removed.
    Unlink {
        /// Which.
        name: String,
    },
    /// Something was read; told only where it is asked for.
    Read {
        /// From what.
        handle: u32,
    },
    /// A fault was put in.
    Fault {
        /// Into what.
        name: String,
    },
}

const HEADER: usize = 24;

impl Call {
    /// Its bytes in the log.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (tag, handle, number, rest): (u8, u32, u64, &[u8]) = match self {
            Call::Start => (0, 0, 0, &[]),
            Call::Open { handle, created, emptied, name } => {
                (1, *handle, u64::from(*created) + 2 * u64::from(*emptied), name.as_bytes())
            }
            Call::Write { handle, offset, bytes } => (2, *handle, *offset, bytes),
            Call::Resize { handle, length } => (3, *handle, *length, &[]),
            Call::SyncBegin { handle } => (4, *handle, 0, &[]),
            Call::SyncEnd { handle, held } => (5, *handle, u64::from(*held), &[]),
            Call::Unlink { name } => (6, 0, 0, name.as_bytes()),
            Call::Fault { name } => (7, 0, 0, name.as_bytes()),
            Call::Read { handle } => (8, *handle, 0, &[]),
        };
        let mut entry = Vec::with_capacity(HEADER + rest.len());
        entry.extend_from_slice(&[tag, 0, 0, 0]);
        entry.extend_from_slice(&handle.to_le_bytes());
        entry.extend_from_slice(&number.to_le_bytes());
        entry.extend_from_slice(&(rest.len() as u64).to_le_bytes());
        entry.extend_from_slice(rest);
        entry
    }

    /// All entries of a log. A process that was killed may have left the last one in part.
    pub(crate) fn all(mut log: &[u8]) -> Vec<Call> {
        let mut calls = Vec::new();
        while let Some((call, rest)) = Call::first(log) {
            calls.push(call);
            log = rest;
        }
        calls
    }

    fn first(log: &[u8]) -> Option<(Call, &[u8])> {
        let (header, rest) = log.split_at_checked(HEADER)?;
        let handle = u32::from_le_bytes(header[4..8].try_into().ok()?);
        let number = u64::from_le_bytes(header[8..16].try_into().ok()?);
        let length = u64::from_le_bytes(header[16..24].try_into().ok()?);
        let (bytes, rest) = rest.split_at_checked(length as usize)?;
        let name = || String::from_utf8_lossy(bytes).into_owned();
        let call = match header[0] {
            0 => Call::Start,
            1 => Call::Open { handle, created: number & 1 != 0, emptied: number & 2 != 0, name: name() },
            2 => Call::Write { handle, offset: number, bytes: bytes.to_vec() },
            3 => Call::Resize { handle, length: number },
            4 => Call::SyncBegin { handle },
            5 => Call::SyncEnd { handle, held: number != 0 },
            6 => Call::Unlink { name: name() },
            7 => Call::Fault { name: name() },
            8 => Call::Read { handle },
            _ => return None,
        };
        Some((call, rest))
    }
}
