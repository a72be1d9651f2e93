//! Panels, layers and keys, and how they become SVG and PNG. The only file that names the plotting
//! library.

use std::sync::Arc;

use kuva::RasterBackend;

use kuva::plot::BandPlot;
use kuva::plot::annotations::{ReferenceLine, ShadedRegion};
use kuva::prelude::{
    ColorMap, Layout, LegendEntry, LegendShape, LinePlot, LineStyle, MarkerShape, Plot,
    ScatterPlot, SvgBackend, Theme, TickFormat,
};
use kuva::render::figure::{Figure as Grid, FigureLegendPosition};
use kuva::render::render::Scene;

use crate::tell::figures::figure::{Figure, FigureError};

/// Pixels left of a panel that shows the labels of its y axis, and of one that does not.
const MARGIN_WITH_LABELS: f64 = 72.0;
const MARGIN_WITHOUT_LABELS: f64 = 14.0;
const MARGIN_RIGHT: f64 = 12.0;

/// Dashes and gaps in pixels: short enough for a key of 12 pixels, and long enough for the PNG,
/// where the library does not scale them and round line ends eat the gaps.
const DASHES: &str = "7 6";

/// Pale enough that lines and other areas show through.
const AREA_OPACITY: f64 = 0.2;

/// Panels per row for large panels: at most three, and rows as even as they can be.
pub(crate) fn even_columns(panels: usize) -> usize {
    panels.div_ceil(panels.div_ceil(3).max(1))
}

/// Everything on one figure: panels in reading order, sharing one key.
pub(crate) struct Sheet {
    /// Name of the figure, for errors and for identifiers inside the SVG.
    pub(crate) name: &'static str,
    pub(crate) panels: Vec<Panel>,
    pub(crate) keys: Vec<Key>,
    /// Panels per row on a page.
    pub(crate) columns: usize,
    /// Panels per row on a phone.
    pub(crate) narrow_columns: usize,
    /// Width and height of the drawing area of a panel in pixels.
    pub(crate) panel_size: (f64, f64),
}

/// One pair of axes and what is drawn on it, bottom layer first.
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) layers: Vec<Layer>,
    /// Where to draw a vertical guide line.
    pub(crate) guide: Option<f64>,
    /// Lower and upper end of a shaded horizontal band.
    pub(crate) band: Option<(f64, f64)>,
}

#[derive(Clone)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) range: (f64, f64),
    pub(crate) step: f64,
    pub(crate) tick: fn(f64) -> String,
}

pub(crate) enum Layer {
    Line {
        points: Vec<(f64, f64)>,
        color: String,
        dashed: bool,
    },
    /// A pale area between the lower and the upper end at each abscissa.
    Area {
        points: Vec<(f64, f64, f64)>,
        color: String,
    },
    /// Marks with the half-length of each error bar; 0 draws none.
    Marks {
        points: Vec<(f64, f64, f64)>,
        color: String,
        mark: Mark,
        size: f64,
    },
}

impl Layer {
    pub(crate) fn marks(points: Vec<(f64, f64, f64)>, color: &str, mark: Mark, size: f64) -> Self {
        Self::Marks {
            points,
            color: color.to_owned(),
            mark,
            size,
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Mark {
    Disc,
    Square,
    Star,
    Cross,
}

/// One entry of the key.
pub(crate) struct Key {
    pub(crate) label: String,
    pub(crate) color: String,
    pub(crate) symbol: Symbol,
}

pub(crate) enum Symbol {
    Line,
    DashedLine,
    Mark(Mark),
}

/// A colour for the `index`-th of `count` ordered things: viridis without its pale end, dark for
/// the last.
pub(crate) fn ordered_color(index: usize, count: usize) -> String {
    let fraction = if count < 2 {
        1.0
    } else {
        index as f64 / (count - 1) as f64
    };
    ColorMap::Viridis.map(0.8 - 0.7 * fraction)
}

/// A power of two as text, with a raised exponent: `2⁻⁸`.
pub(crate) fn power_of_two(exponent: f64) -> String {
    let digits = format!("{}", exponent.round());
    format!("2{}", digits.chars().map(raised).collect::<String>())
}

fn raised(character: char) -> char {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    match character.to_digit(10) {
        Some(digit) => DIGITS[digit as usize],
        None => '⁻',
    }
}

/// A round tick distance that cuts a span into four to ten pieces.
pub(crate) fn nice_step(span: f64) -> f64 {
    let magnitude = 10_f64.powf((span / 4.0).log10().floor());
    let steps = [5.0, 2.0, 1.0].map(|step| step * magnitude);
    steps
        .into_iter()
        .find(|step| span / step >= 4.0)
        .unwrap_or(magnitude)
}

pub(crate) fn two_decimals(value: f64) -> String {
    format!("{value:.2}")
}

/// Draws the sheet in all its forms.
pub(crate) fn draw(sheet: &Sheet) -> Result<Figure, FigureError> {
    let wide = scene(sheet, sheet.columns, FigureLegendPosition::RightMiddle);
    let narrow = scene(
        sheet,
        sheet.narrow_columns,
        FigureLegendPosition::BottomCenter,
    );
    let png = RasterBackend::new().render_scene(&wide);
    Ok(Figure {
        svg: svg(&wide, &format!("{}-wide", sheet.name)),
        narrow_svg: svg(&narrow, &format!("{}-narrow", sheet.name)),
        png: png.map_err(|reason| FigureError::Raster {
            figure: sheet.name,
            reason,
        })?,
    })
}

/// The library sets no `viewBox`, without which a picture does not scale, and numbers its clip
/// paths through the whole process; renumbering makes the SVG a function of the sheet.
fn svg(scene: &Scene, prefix: &str) -> String {
    let view = format!(
        "<svg viewBox=\"0 0 {:.2} {:.2}\" ",
        scene.width, scene.height
    );
    let drawn = SvgBackend::new()
        .render_scene(scene)
        .replacen("<svg ", &view, 1);
    let mut seen: Vec<String> = Vec::new();
    let mut pieces = drawn.split("kuva-clip-");
    let mut renumbered = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let identifier: String = piece.chars().take_while(char::is_ascii_digit).collect();
        let position = seen
            .iter()
            .position(|known| *known == identifier)
            .unwrap_or(seen.len());
        if position == seen.len() {
            seen.push(identifier.clone());
        }
        renumbered += &format!("{prefix}-clip-{position}{}", &piece[identifier.len()..]);
    }
    renumbered
}

fn scene(sheet: &Sheet, columns: usize, legend: FigureLegendPosition) -> Scene {
    let columns = columns.min(sheet.panels.len());
    let (width, height) = sheet.panel_size;
    let (mut layouts, mut plots, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (index, panel) in sheet.panels.iter().enumerate() {
        let margin_left = if index.is_multiple_of(columns) {
            MARGIN_WITH_LABELS
        } else {
            MARGIN_WITHOUT_LABELS
        };
        layouts.push(layout(panel, margin_left));
        plots.push(panel.layers.iter().map(plot).collect());
        places.push(vec![index]);
    }
    Grid::new(sheet.panels.len().div_ceil(columns), columns)
        .with_structure(places)
        .with_plots(plots)
        .with_layouts(layouts)
        .with_shared_y_all()
        .with_shared_legend_entries(sheet.keys.iter().map(entry).collect())
        .with_shared_legend_position(legend)
        .with_cell_size(MARGIN_WITHOUT_LABELS + width + MARGIN_RIGHT, height)
        .with_col_width(0, MARGIN_WITH_LABELS + width + MARGIN_RIGHT)
        .with_spacing(8.0)
        .render()
}

fn layout(panel: &Panel, margin_left: f64) -> Layout {
    let mut layout = Layout::new(panel.x.range, panel.y.range)
        .with_title(printable(&panel.title))
        .with_title_size(15)
        .with_label_size(13)
        .with_tick_size(12)
        .with_body_size(12)
        .with_x_label(printable(&panel.x.label))
        .with_y_label(printable(&panel.y.label))
        .with_x_axis_min(panel.x.range.0)
        .with_x_axis_max(panel.x.range.1)
        .with_y_axis_min(panel.y.range.0)
        .with_y_axis_max(panel.y.range.1)
        .with_x_tick_step(panel.x.step)
        .with_y_tick_step(panel.y.step)
        .with_x_tick_format(TickFormat::Custom(Arc::new(panel.x.tick)))
        .with_y_tick_format(TickFormat::Custom(Arc::new(panel.y.tick)))
        .with_force_margins(margin_left, MARGIN_RIGHT)
        .with_theme(theme());
    if let Some(x) = panel.guide {
        layout = layout.with_reference_line(
            ReferenceLine::vertical(x)
                .with_color("#888888")
                .with_dasharray(DASHES),
        );
    }
    if let Some((low, high)) = panel.band {
        layout =
            layout.with_shaded_region(ShadedRegion::horizontal(low, high).with_color("#888888"));
    }
    layout
}

/// Text that XML can hold: names come from outside, and most control characters are not allowed in
/// XML however they are written, so they are spelt out, as `\u{1b}`.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn theme() -> Theme {
    Theme {
        axis_color: "#555555".into(),
        tick_color: "#555555".into(),
        text_color: "#222222".into(),
        grid_color: "#e6e6e6".into(),
        legend_border: "white".into(),
        ..Theme::light()
    }
}

fn plot(layer: &Layer) -> Plot {
    match layer {
        Layer::Line {
            points,
            color,
            dashed,
        } => line(points, color, *dashed),
        Layer::Area { points, color } => area(points, color),
        Layer::Marks {
            points,
            color,
            mark,
            size,
        } => marks(points, color, *mark, *size),
    }
}

fn line(points: &[(f64, f64)], color: &str, dashed: bool) -> Plot {
    let line = LinePlot::new()
        .with_data(points.to_vec())
        .with_color(color)
        .with_stroke_width(2.0);
    if dashed {
        line.with_line_style(LineStyle::Custom(DASHES.to_owned()))
            .into()
    } else {
        line.into()
    }
}

fn area(points: &[(f64, f64, f64)], color: &str) -> Plot {
    let x: Vec<f64> = points.iter().map(|point| point.0).collect();
    let low: Vec<f64> = points.iter().map(|point| point.1).collect();
    let high: Vec<f64> = points.iter().map(|point| point.2).collect();
    let area = BandPlot::new(x, low, high);
    Plot::Band(area.with_color(color).with_opacity(AREA_OPACITY))
}

fn marks(points: &[(f64, f64, f64)], color: &str, mark: Mark, size: f64) -> Plot {
    let marks = ScatterPlot::new()
        .with_data(points.iter().map(|(x, y, _)| (*x, *y)))
        .with_color(color)
        .with_marker(marker(mark))
        .with_size(size);
    if points.iter().any(|(_, _, error)| *error > 0.0) {
        marks
            .with_y_err(points.iter().map(|(_, _, error)| *error))
            .into()
    } else {
        marks.into()
    }
}

fn marker(mark: Mark) -> MarkerShape {
    match mark {
        Mark::Disc => MarkerShape::Circle,
        Mark::Square => MarkerShape::Square,
        Mark::Star => MarkerShape::Star,
        Mark::Cross => MarkerShape::Cross,
    }
}

fn entry(key: &Key) -> LegendEntry {
    let shape = match key.symbol {
        Symbol::Line | Symbol::DashedLine => LegendShape::Line,
        Symbol::Mark(mark) => LegendShape::Marker(marker(mark)),
    };
    let dasharray = matches!(key.symbol, Symbol::DashedLine).then(|| DASHES.to_owned());
    LegendEntry {
        label: printable(&key.label),
        color: key.color.clone(),
        shape,
        dasharray,
    }
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn what_xml_cannot_hold_is_spelt_out() {
        assert_eq!(printable("μP 2⁻⁸ <b>"), "μP 2⁻⁸ <b>");
        assert_eq!(
            printable("a\u{1b}[31m\u{7}\u{9b}\n\u{ffff}"),
            "a\\u{1b}[31m\\u{7}\\u{9b}\\u{a}\\u{ffff}"
        );
    }
}
