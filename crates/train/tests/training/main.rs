//! Whole trainings of small models.

mod accumulation;
mod common;
mod diverging;
mod kinds;
mod lion;
mod optimizers;
mod pytorch;
mod resuming;
mod sections;
