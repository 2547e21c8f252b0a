//! The bus: subscriptions, subscribers, dead letters.

mod cli;
mod direct;
mod durable;
mod helpers;
mod last;
mod layers;
mod letters;
mod overflow;
mod refused;
mod routes;
mod subscribers;
mod subscriptions;
mod transforms;
