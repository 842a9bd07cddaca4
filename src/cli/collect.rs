//! Options for the garbage collection of a volume, the same for every command that publishes.

use api::units::{Quantity, Span};
use control::publish::collect::{Collector, Policy};
use volume::Volume;

/// What is removed from the volume, and when.
#[derive(Clone, Debug, clap::Args)]
pub struct CollectArgs {
    /// Bundles that no function refers to, and layers of none, stay so long after their last use.
    #[arg(long, env = "KONTAIN_GC_GRACE", value_name = "DURATION", default_value = "1h")]
    pub gc_grace: Span,
    /// Time between collections.
    #[arg(long, env = "KONTAIN_GC_INTERVAL", value_name = "DURATION", default_value = "5m")]
    pub gc_interval: Span,
    /// With more than so many per cent of the volume's file system in use, the grace time is void.
    #[arg(long, env = "KONTAIN_GC_HIGH_WATER", value_name = "PERCENT", default_value_t = 85,
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub gc_high_water: u8,
    /// Downloaded layers that are kept for the next images.
    #[arg(long, env = "KONTAIN_KEEP_LAYERS", value_name = "SIZE", default_value = "10Gi")]
    pub keep_layers: Quantity,
}

impl CollectArgs {
    /// The collector that the options describe.
    pub fn collector(&self, volume: Volume) -> Collector {
        let policy = Policy {
            grace: self.gc_grace.duration(),
            high_water_percent: self.gc_high_water,
            layers_bytes: self.keep_layers.bytes(),
            interval: self.gc_interval.duration(),
        };
        Collector::new(volume, policy)
    }
}
