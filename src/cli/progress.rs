//! Progress of layers: a bar for each on a terminal, a line for each elsewhere.

use std::cell::RefCell;
use std::io::IsTerminal;

use bundles::source::Event;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

/// Shows how an image's layers come in. Everything goes to stderr.
pub struct Layers {
    on_terminal: bool,
    bar: RefCell<Option<ProgressBar>>,
}

impl Layers {
    /// Nothing shown yet.
    pub fn new() -> Self {
        Self { on_terminal: std::io::stderr().is_terminal(), bar: RefCell::new(None) }
    }

    /// Shows one event.
    pub fn show(&self, event: Event<'_>) {
        match event {
            Event::Layer { index, count, layer } => {
                let digest = layer.digest.unwrap_or(layer.diff_id).hex();
                let title = format!("layer {}/{count} {}", index + 1, &digest[..12]);
                if self.on_terminal {
                    *self.bar.borrow_mut() = Some(bar(layer.size, title));
                } else {
                    eprintln!("{title} {}", HumanBytes(layer.size));
                }
            }
            Event::Read(bytes) => {
                if let Some(bar) = &*self.bar.borrow() {
                    bar.inc(bytes);
                }
            }
            Event::Done => {
                if let Some(bar) = self.bar.borrow_mut().take() {
                    bar.finish();
                }
            }
        }
    }

    /// All layers are in; what is left is writing.
    pub fn finish(&self) {
        self.bar.borrow_mut().take();
    }
}

fn bar(size: u64, title: String) -> ProgressBar {
    let template = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size).with_style(style.progress_chars("=> ")).with_message(title)
}
