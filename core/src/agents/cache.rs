//! Results that are kept in memory: each for a time, and no more than fit; the one that was asked for longest ago goes first.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::{Digest, Json, Timestamp};

/// Which results of an agent are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRule {
    /// For how long.
    pub ttl: Duration,
    /// How many in memory.
    pub entries: usize,
    /// Bytes of all of them in memory.
    pub bytes: usize,
    /// The agent's version: another one finds nothing of this.
    pub version: String,
}

impl CacheRule {
    /// For so long; a thousand of them, and 16 MiB at most.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, entries: 1_000, bytes: 16 * 1024 * 1024, version: String::new() }
    }

    /// So many, and so many bytes, at most.
    #[must_use]
    pub fn bounds(mut self, entries: usize, bytes: usize) -> Self {
        (self.entries, self.bytes) = (entries, bytes);
        self
    }

    /// Of this version of the agent.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }
}

/// A result that is kept, and until when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The result.
    pub result: Json,
    /// Until when.
    pub until: Timestamp,
}

/// The results in memory.
#[derive(Debug)]
pub struct Cache {
    rule: CacheRule,
    kept: HashMap<Digest, (Kept, u64)>,
    /// When each was used last, in the order of uses.
    used: BTreeMap<u64, Digest>,
    uses: u64,
    bytes: usize,
}

impl Cache {
    /// An empty one.
    pub fn new(rule: CacheRule) -> Self {
        Self { rule, kept: HashMap::new(), used: BTreeMap::new(), uses: 0, bytes: 0 }
    }

    /// What it goes by.
    pub fn rule(&self) -> &CacheRule {
        &self.rule
    }

    /// How many results it holds, and their bytes.
    pub fn size(&self) -> (usize, usize) {
        (self.kept.len(), self.bytes)
    }

    /// The result of a key, if it holds still.
    pub fn get(&mut self, key: &Digest, now: Timestamp) -> Option<Json> {
        let (kept, used) = self.kept.get_mut(key)?;
        if kept.until <= now {
            self.forget(key);
            return None;
        }
        self.used.remove(used);
        self.uses += 1;
        *used = self.uses;
        self.used.insert(self.uses, *key);
        Some(kept.result.clone())
    }

    /// Keeps a result; one that fits nowhere is not kept.
    pub fn put(&mut self, key: Digest, kept: Kept) {
        self.forget(&key);
        let bytes = size_of(&kept);
        if self.rule.entries == 0 || bytes > self.rule.bytes {
            return;
        }
        while self.kept.len() >= self.rule.entries || self.bytes + bytes > self.rule.bytes {
            let Some((_, oldest)) = self.used.pop_first() else { break };
            self.forget(&oldest);
        }
        self.uses += 1;
        self.bytes += bytes;
        self.used.insert(self.uses, key);
        self.kept.insert(key, (kept, self.uses));
    }

    fn forget(&mut self, key: &Digest) {
        if let Some((kept, used)) = self.kept.remove(key) {
            self.bytes -= size_of(&kept);
            self.used.remove(&used);
        }
    }
}

/// Its bytes, and what it takes to hold it.
fn size_of(kept: &Kept) -> usize {
    kept.result.text().len() + 128
}
