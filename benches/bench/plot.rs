//! The figures as a picture: latencies by percentile, and throughput by number of clients.

use super::report::Report;
use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws both plots into one SVG file.
///
/// # Errors
/// The file cannot be written.
pub fn draw(report: &Report, path: &Path) -> anyhow::Result<()> {
    let root = SVGBackend::new(path, (1000, 900)).into_drawing_area();
    // Errors of the drawing library borrow its back end: only their text leaves this file.
    let drawn = (|| {
        root.fill(&WHITE)?;
        let (upper, lower) = root.split_vertically(450);
        latencies(report, &upper)?;
        throughput(report, &lower)?;
        root.present()?;
        Ok::<_, Box<dyn std::error::Error + '_>>(())
    })();
    drawn.map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn latencies<'a>(report: &Report, area: &Area<'a>) -> Result<(), Box<dyn std::error::Error + 'a>> {
    let millis = |micros: u64| micros as f64 / 1e3;
    let all =
        report.functions.iter().flat_map(|function| function.open.curve.iter().map(|(_, micros)| *micros));
    let most = millis(all.max().unwrap_or(1)).max(1.0);
    let title = format!("Latency of a call by percentile (open loop, KVM {:?})", report.host.kvm);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 20))
        .margin(15)
        .x_label_area_size(35)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..100.0, (0.05..most).log_scale())?;
    chart.configure_mesh().x_desc("percentile").y_desc("milliseconds").draw()?;
    for (index, function) in report.functions.iter().enumerate() {
        let color = Palette99::pick(index).stroke_width(2);
        let points = function.open.curve.iter().map(|(percentile, micros)| (*percentile, millis(*micros)));
        chart
            .draw_series(LineSeries::new(points, color))?
            .label(format!("{} at {}/s", function.title, function.open.rate))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).border_style(BLACK).draw()?;
    Ok(())
}

fn throughput<'a>(report: &Report, area: &Area<'a>) -> Result<(), Box<dyn std::error::Error + 'a>> {
    let all = || report.functions.iter().flat_map(|function| &function.closed);
    let clients = all().map(|closed| closed.clients).max().unwrap_or(1) as f64;
    let most = all().map(|closed| closed.calls_per_second).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("Calls per second by clients (closed loop)", ("sans-serif", 20))
        .margin(15)
        .x_label_area_size(35)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..clients + 1.0, 0.0..most * 1.1)?;
    chart.configure_mesh().x_desc("clients").y_desc("calls per second").draw()?;
    for (index, function) in report.functions.iter().enumerate() {
        let color = Palette99::pick(index).stroke_width(2);
        let points = function.closed.iter().map(|closed| (closed.clients as f64, closed.calls_per_second));
        chart
            .draw_series(LineSeries::new(points, color))?
            .label(function.title)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).border_style(BLACK).draw()?;
    Ok(())
}
