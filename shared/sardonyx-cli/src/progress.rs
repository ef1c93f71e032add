use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sardonyx_ingest::Stage;

/// A progress bar on standard error, where that is a terminal.
pub(crate) struct Bar {
    bar: ProgressBar,
    stage: Option<Stage>,
}

impl Bar {
    pub(crate) fn new() -> Self {
        Self {
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            stage: None,
        }
    }

    /// Shows that so much of a stage is done.
    pub(crate) fn show(&mut self, stage: Stage, done: u64, total: u64) {
        if self.stage != Some(stage) {
            self.stage = Some(stage);
            self.bar.reset();
            self.bar.set_message(match stage {
                Stage::Checking => "checking",
                Stage::Writing => "writing",
            });
            // The counts of text are bytes while it is checked, so that only the share says something there.
            let counts = match stage {
                Stage::Checking => "",
                Stage::Writing => " {human_pos} of {human_len} rows, {per_sec},",
            };
            let template = format!("{{msg:8}} {{wide_bar}} {{percent:>3}} %{counts} {{eta}} left");
            self.bar
                .set_style(ProgressStyle::with_template(&template).expect("is a template"));
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
