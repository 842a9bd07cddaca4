//! Progress of layers: a bar for each on a terminal, a line for each elsewhere.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::sync::Mutex;

use bundles::layer::Layer;
use bundles::source::Event;
use control::publish::fetch::PullEvent;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};

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

/// Shows how a registry's layers are downloaded, several at a time.
pub struct Downloads {
    on_terminal: bool,
    all: MultiProgress,
    bars: Mutex<Vec<ProgressBar>>,
}

impl Downloads {
    /// Nothing shown yet.
    pub fn new() -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        Self { on_terminal, all: MultiProgress::new(), bars: Mutex::default() }
    }

    /// The function that takes the events.
    pub fn into_sink(self) -> impl Fn(PullEvent<'_>) + Send + Sync {
        move |event| self.show(event)
    }

    fn show(&self, event: PullEvent<'_>) {
        let Ok(mut bars) = self.bars.lock() else { return };
        match event {
            PullEvent::Layers(layers) if self.on_terminal => {
                let title = |layer: &Layer| {
                    format!("download {}", &layer.digest.unwrap_or(layer.diff_id).hex()[..12])
                };
                *bars = layers.iter().map(|layer| self.all.add(bar(layer.size, title(layer)))).collect();
            }
            PullEvent::Layers(layers) => {
                let bytes = layers.iter().map(|layer| layer.size).sum();
                eprintln!("downloading {} layers, {}", layers.len(), HumanBytes(bytes));
            }
            PullEvent::Progress { index, bytes } => {
                if let Some(bar) = bars.get(index) {
                    bar.set_position(bytes);
                }
            }
        }
    }
}

fn bar(size: u64, title: String) -> ProgressBar {
    let template = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size).with_style(style.progress_chars("=> ")).with_message(title)
}
