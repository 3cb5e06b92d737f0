//! Following an operation to its end.
//!
//! On a terminal every step is a line that lives; elsewhere a step is one plain line when it is
//! done. A program that asked for JSON is told nothing before the end.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use windlass_model::{
    ErrorCode, OperationId,
    network::{Operation, OperationState, Reason, Step, StepState},
};

use crate::{
    client::Client,
    environment::{Outcome, problem},
    output::{Format, Output},
    render::{STEP_WIDTH, duration},
};

/// How long one request waits where somebody watches, where lines are written, and else.
const WATCHED: Duration = Duration::from_millis(80);
const PLAIN: Duration = Duration::from_millis(500);
const SILENT: Duration = Duration::from_secs(20);

/// Waits for an operation's end and shows its steps meanwhile.
pub(crate) async fn follow(
    client: &Client,
    id: &OperationId,
    timeout: Duration,
    output: Output,
) -> Outcome<Operation> {
    #[expect(clippy::disallowed_methods, reason = "a wait on the user's behalf ends by the clock")]
    let begun = Instant::now();
    let mut view = View::new(output);
    let pause = match (output.is_watched(), output.format()) {
        (true, _) => WATCHED,
        (false, Format::Text) => PLAIN,
        (false, Format::Json) => SILENT,
    };
    loop {
        let left = timeout.saturating_sub(begun.elapsed());
        let operation = client.operation(id, pause.min(left)).await?;
        view.show(&operation);
        match operation.state {
            OperationState::Running if left.is_zero() => return Err(too_long(&operation)),
            OperationState::Running => {}
            OperationState::Succeeded | OperationState::Failed | OperationState::Superseded => {
                return Ok(operation);
            }
        }
    }
}

/// The operation, or why it did not succeed.
pub(crate) fn succeeded(operation: Operation) -> Outcome<Operation> {
    match (operation.state, &operation.reason) {
        (OperationState::Succeeded | OperationState::Running, _) => Ok(operation),
        (OperationState::Failed, Some(Reason { code, message, remedy, .. })) => {
            Err(problem(*code, message.clone(), remedy.clone()))
        }
        (OperationState::Failed, None) => Err(problem(
            ErrorCode::OperationFailed,
            format!("the operation {} on `{}` failed", operation.id, operation.network_name),
            format!("see `windlass network logs {}`", operation.network_name),
        )),
        (OperationState::Superseded, _) => Err(problem(
            ErrorCode::OperationFailed,
            format!("another operation on `{}` took this one's place", operation.network_name),
            "see `windlass operation ls`",
        )),
    }
}

fn too_long(operation: &Operation) -> Box<windlass_model::Problem> {
    let reason = operation.reason.as_ref().map(|reason| reason.message.as_str());
    let step = operation.steps.iter().find(|step| step.state == StepState::Running);
    let at = step.map_or_else(String::new, |step| format!(" at `{}`", step.name));
    let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    let remedy = operation.reason.as_ref().map(|reason| format!("{}; ", reason.remedy));
    problem(
        ErrorCode::OperationTimeout,
        format!("the operation {} is still under way{at}{why}", operation.id),
        format!(
            "{}`windlass operation wait {}` waits for it again",
            remedy.as_deref().unwrap_or("it goes on by itself; "),
            operation.id
        ),
    )
}

enum View {
    Watched { all: MultiProgress, bars: Vec<ProgressBar> },
    Plain { output: Output, told: usize, reason: Option<String> },
}

impl View {
    fn new(output: Output) -> Self {
        if output.is_watched() {
            return Self::Watched { all: MultiProgress::new(), bars: Vec::new() };
        }
        Self::Plain { output, told: 0, reason: None }
    }

    fn show(&mut self, operation: &Operation) {
        // Why it failed is the command's error.
        let is_under_way = operation.state == OperationState::Running;
        let waits_for = operation.reason.as_ref().filter(|_| is_under_way);
        match self {
            Self::Watched { all, bars } => {
                for (index, step) in operation.steps.iter().enumerate() {
                    if index == bars.len() {
                        bars.push(all.add(new_bar(&step.name)));
                    }
                    update(&bars[index], step, waits_for);
                }
            }
            Self::Plain { output, told, reason } => {
                let done = operation.steps.iter().take_while(|step| step.state == StepState::Done);
                for step in done.skip(*told) {
                    output.note(&format!("{:<STEP_WIDTH$} {}", step.name, detail(step)));
                    *told += 1;
                }
                let now = waits_for.map(|reason| reason.message.clone());
                if let Some(message) = now.as_ref().filter(|_| *reason != now) {
                    output.note(&format!("waiting: {message}"));
                }
                *reason = now;
            }
        }
    }
}

fn new_bar(name: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template(&format!("{{spinner}} {{prefix:<{STEP_WIDTH}}} {{msg}}"))
            .expect("the template is well-formed")
            .tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏✓");
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.set_prefix(name.to_owned());
    bar
}

fn update(bar: &ProgressBar, step: &Step, reason: Option<&Reason>) {
    match step.state {
        StepState::Pending => {}
        StepState::Running => {
            let waiting = reason.map(|reason| reason.message.clone());
            bar.set_message(waiting.or_else(|| step.detail.clone()).unwrap_or_default());
            bar.tick();
        }
        StepState::Done if bar.is_finished() => {}
        StepState::Done => bar.finish_with_message(detail(step)),
    }
}

fn detail(step: &Step) -> String {
    let took = step
        .started_at_ms
        .zip(step.finished_at_ms)
        .map(|(began, ended)| duration(ended.saturating_sub(began)));
    let parts = [took, step.detail.clone()];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}
