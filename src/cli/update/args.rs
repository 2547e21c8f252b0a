//! What may be said after `regie update`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use regie_core::Json;
use regie_core::entity::Update;
use regie_core::event::{EntityRef, Principal};

use crate::cli::args::{ClockArg, CommonArgs};
use crate::cli::escalations::principal;
use crate::config::Layer;

#[derive(Args, Debug)]
pub(in crate::cli) struct UpdateArgs {
    /// The entity's type
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The entity's id
    #[arg(value_name = "ID")]
    id: String,
    /// What its fields are to be: JSON where it is that, else a text; `null` takes a value away
    #[arg(value_name = "FIELD=VALUE", required = true, value_parser = field)]
    fields: Vec<(String, Json)>,
    /// What a field must be for this to be done; may be said several times
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field)]
    expect: Vec<(String, Json)>,
    /// Who asks: a user's name, or a kind and an id as in `agent:bot-1` [default: system:regie]
    #[arg(long, value_name = "WHO", value_parser = principal)]
    by: Option<Principal>,
    /// The correlation of its events [default: TYPE/ID]
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// The update's own id: asked twice under one id is done once
    #[arg(long = "id", value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    own_id: Option<String>,
    /// A file of event types (TOML), besides those that are shipped; only where nobody owns the journal
    #[arg(long, value_name = "FILE")]
    catalogue: Option<PathBuf>,
    /// By which time it is recorded where nobody owns the journal [default: system]
    #[arg(long, value_name = "CLOCK")]
    clock: Option<ClockArg>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

impl UpdateArgs {
    /// The settings that these flags give.
    pub(super) fn layer(&self) -> Layer {
        let clock = self.clock.map(Into::into);
        Layer { clock, catalogue: self.catalogue.clone(), ..self.common.layer() }
    }

    /// What is asked; a field that is said twice is a mistake.
    pub(super) fn update(&self) -> Result<Update, String> {
        let by = self.by.clone().unwrap_or_else(Principal::system);
        let mut update = Update::of(EntityRef::new(&self.kind, &self.id), by);
        for (field, value) in &self.fields {
            if update.fields.insert(field.clone(), value.clone()).is_some() {
                return Err(format!("'{field}' is said twice"));
            }
        }
        for (field, value) in &self.expect {
            if update.expected.insert(field.clone(), value.clone()).is_some() {
                return Err(format!("'{field}' is expected twice"));
            }
        }
        update.correlation = self.correlation.clone().map(Into::into);
        update.id = Some(self.own_id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string()));
        Ok(update)
    }
}

fn field(text: &str) -> Result<(String, Json), String> {
    let (field, value) = text.split_once('=').ok_or("it is FIELD=VALUE")?;
    if field.trim().is_empty() {
        return Err("the field has no name".into());
    }
    Ok((field.into(), Json::parse(value).unwrap_or_else(|_| Json::of(value))))
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_value_is_json_where_it_is_that_and_else_a_text() {
        let told = |text: &str| field(text).map(|(field, value)| format!("{field} {value}"));
        for (said, read) in [
            ("status=done", "status \"done\""),
            ("points=3", "points 3"),
            ("amount=1.10", "amount 1.10"),
            ("owner=null", "owner null"),
            ("id=\"7\"", "id \"7\""),
            ("tags=[\"a\"]", "tags [\"a\"]"),
            ("note=a=b", "note \"a=b\""),
            ("empty=", "empty \"\""),
        ] {
            assert_eq!(told(said).as_deref(), Ok(read));
        }
        assert!(told("status").is_err() && told("=x").is_err());
    }
}
