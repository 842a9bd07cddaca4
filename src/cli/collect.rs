//! Options for the garbage collection of a volume, the same for every command that publishes.

use api::units::{Quantity, Span};
use control::publish::collect::{Collector, Policy};
use control::publish::room::Ceiling;
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
    /// How much the volume may hold, where that is less than its file system has: the size limit of an emptyDir. Images that
    /// are not there yet are not fetched while more than the high-water mark of it is in use.
    #[arg(long, env = "KONTAIN_VOLUME_SIZE", value_name = "SIZE")]
    pub volume_size: Option<Quantity>,
    /// With more than so many per cent of the volume in use, the grace time is void and downloaded layers go.
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
            volume_bytes: self.volume_size.map(Quantity::bytes),
            high_water_percent: self.gc_high_water,
            layers_bytes: self.keep_layers.bytes(),
            interval: self.gc_interval.duration(),
        };
        Collector::new(volume, policy)
    }

    /// How much of the volume may be in use when an image is fetched.
    pub fn ceiling(&self) -> Option<Ceiling> {
        let volume_bytes = self.volume_size?.bytes();
        Some(Ceiling { volume_bytes, high_water_percent: self.gc_high_water })
    }
}
