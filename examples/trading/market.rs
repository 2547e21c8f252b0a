//! Trades of a market, as they were: a small sample, or the event log of an hour. Money is decimal: no digit of it is lost.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;
use rust_decimal::Decimal;
use serde::Deserialize;

/// One trade.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Trade {
    pub(crate) price: Decimal,
    pub(crate) amount: Decimal,
}

/// A made-up quarter of an hour, for where there is no log.
const SAMPLE: [(&str, &str); 9] = [
    ("236.47", "0.21144331"),
    ("236.51", "1.78850000"),
    ("236.63", "3.83510000"),
    ("236.40", "0.50000000"),
    ("236.71", "2.25000000"),
    ("236.85", "1.01000000"),
    ("236.79", "0.75250000"),
    ("236.90", "4.00000000"),
    ("237.02", "0.33000000"),
];

pub(crate) struct Market {
    pub(crate) trades: Vec<Trade>,
}

impl Market {
    pub(crate) fn sample() -> Self {
        let decimal = |text: &str| text.parse().expect("a decimal of ours");
        let trade = |(price, amount): &(&str, &str)| Trade { price: decimal(price), amount: decimal(amount) };
        Self { trades: SAMPLE.iter().map(trade).collect() }
    }

    /// The trades of a log of events, packed or not.
    pub(crate) fn read(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        #[derive(Deserialize)]
        struct Line {
            #[serde(rename = "type")]
            kind: String,
            payload: serde_json::Value,
        }
        let file = std::fs::File::open(path)?;
        let packed = path.extension().is_some_and(|end| end == "gz");
        let lines: Box<dyn Read> = if packed { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
        let mut trades = Vec::new();
        for line in BufReader::new(lines).lines() {
            let line: Line = serde_json::from_str(&line?)?;
            if line.kind == "trade.executed" {
                trades.push(serde_json::from_value(line.payload)?);
            }
        }
        Ok(Self { trades })
    }

    /// What was traded in all, exactly.
    pub(crate) fn value(&self) -> Decimal {
        self.trades.iter().map(|trade| trade.price * trade.amount).sum()
    }

    pub(crate) fn first(&self) -> Decimal {
        self.trades.first().map_or(Decimal::ONE, |trade| trade.price)
    }

    pub(crate) fn last(&self) -> Decimal {
        self.trades.last().map_or(Decimal::ONE, |trade| trade.price)
    }
}
