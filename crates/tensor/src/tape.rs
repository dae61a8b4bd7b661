//! One tape for all branches of a network, silent in evaluation.
//!
//! A [`Tape`] is a handle that is copied: every activation of a forward pass holds the same one, and in evaluation it
//! holds nothing. A layer has therefore one `forward`, for training and evaluation alike, and can be a trait object.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::{ActivationGradients, Precision, Scalar};

/// A handle on the record of a forward pass, or on none.
#[derive(Clone, Default)]
pub struct Tape {
    recording: Option<Rc<RefCell<Vec<Operation>>>>,
    timings: Option<Rc<RefCell<Timings>>>,
    precision: Precision,
}

/// The backward pass of one operation.
type Operation = Box<dyn FnOnce(&mut ActivationGradients)>;

/// Where the time of a training step goes: seconds by phase, in the order in which the phases came first.
#[derive(Clone, Debug)]
pub struct Timings {
    /// Of the forward pass.
    pub forward: Vec<(&'static str, Duration)>,
    /// Of the backward pass.
    pub backward: Vec<(&'static str, Duration)>,
    current: Option<&'static str>,
    since: Instant,
}

impl Timings {
    fn new() -> Self {
        Self { forward: Vec::new(), backward: Vec::new(), current: None, since: Instant::now() }
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.since, now)
    }

    fn begin(&mut self, phase: &'static str) {
        let lap = self.lap();
        if let Some(before) = self.current.replace(phase) {
            add_time(&mut self.forward, before, lap);
        }
    }

    fn end_forward(&mut self) {
        let lap = self.lap();
        if let Some(last) = self.current.take() {
            add_time(&mut self.forward, last, lap);
        }
    }
}

fn add_time(times: &mut Vec<(&'static str, Duration)>, phase: &'static str, time: Duration) {
    match times.iter_mut().find(|(known, _)| *known == phase) {
        Some((_, sum)) => *sum += time,
        None => times.push((phase, time)),
    }
}

impl Tape {
    /// A new tape that records: training.
    pub fn recording() -> Self {
        Self { recording: Some(Rc::default()), ..Self::default() }
    }

    /// A tape that records nothing: evaluation and generation.
    pub fn silent() -> Self {
        Self::default()
    }

    /// This tape, which now also measures the phases that [`begin`](Self::begin) names.
    pub fn timed(self) -> Self {
        Self { timings: Some(Rc::new(RefCell::new(Timings::new()))), ..self }
    }

    /// This tape, on which matrix products round their operands so; [`Precision::F32`] unless said.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// How matrix products round their operands, in the forward pass and in the backward pass.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Whether operations are being recorded.
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Begins a phase of the forward pass, on a tape that is [`timed`](Self::timed). What is recorded until the next phase
    /// begins is this phase's in the backward pass, too.
    pub fn begin(&mut self, phase: &'static str) {
        let Some(timings) = self.timings.clone() else { return };
        timings.borrow_mut().begin(phase);
        // Recorded before the phase's operations, it runs when they are done.
        self.record(move |_| {
            let mut timings = timings.borrow_mut();
            let lap = timings.lap();
            add_time(&mut timings.backward, phase, lap);
        });
    }

    /// What has been measured; `None` on a tape that is not timed.
    pub fn timings(&self) -> Option<Timings> {
        self.timings.as_ref().map(|timings| timings.borrow().clone())
    }

    /// Records what an operation does to gradients. `backward` is dropped on a silent tape.
    pub fn record(&mut self, backward: impl FnOnce(&mut ActivationGradients) + 'static) {
        if let Some(recording) = &self.recording {
            recording.borrow_mut().push(Box::new(backward));
        }
    }

    /// Runs the recorded operations backwards from `loss`, whose own gradient is 1. Afterwards each
    /// [`Parameter`](crate::Parameter) that took part has had its gradient added to.
    ///
    /// # Panics
    /// When `loss` is on a silent tape.
    pub fn backward(loss: Scalar) {
        let tape = loss.tape();
        let recording = tape.recording.as_ref().expect("a loss on a recording tape");
        if let Some(timings) = &tape.timings {
            timings.borrow_mut().end_forward();
        }
        let mut gradients = ActivationGradients::default();
        gradients.add(&loss, vec![1.0]);
        // Each lets go what it kept for its backward pass.
        recording.take().into_iter().rev().for_each(|backward| backward(&mut gradients));
    }

    /// The tape of activations that meet: both are handles on the same, or one of them is silent.
    ///
    /// # Panics
    /// When they are handles on different tapes.
    pub fn merge(self, other: Tape) -> Tape {
        if let (Some(one), Some(other)) = (&self.recording, &other.recording) {
            assert!(Rc::ptr_eq(one, other), "activations that meet are on the same tape");
        }
        Self {
            recording: self.recording.or(other.recording),
            timings: self.timings.or(other.timings),
            // A silent tape of its own knows nothing of it.
            precision: self.precision.max(other.precision),
        }
    }
}
