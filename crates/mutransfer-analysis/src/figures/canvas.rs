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

use super::{Figure, FigureError};

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
pub(super) fn even_columns(panels: usize) -> usize {
    panels.div_ceil(panels.div_ceil(3).max(1))
}

/// Everything on one figure: panels in reading order, sharing one key.
pub(super) struct Sheet {
    /// Name of the figure, for errors and for identifiers inside the SVG.
    pub(super) name: &'static str,
    pub(super) panels: Vec<Panel>,
    pub(super) keys: Vec<Key>,
    /// Panels per row on a page.
    pub(super) columns: usize,
    /// Panels per row on a phone.
    pub(super) narrow_columns: usize,
    /// Width and height of the drawing area of a panel in pixels.
    pub(super) panel_size: (f64, f64),
}

/// One pair of axes and what is drawn on it, bottom layer first.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) layers: Vec<Layer>,
    /// Where to draw a vertical guide line.
    pub(super) guide: Option<f64>,
    /// Lower and upper end of a shaded horizontal band.
    pub(super) band: Option<(f64, f64)>,
}

#[derive(Clone)]
pub(super) struct Axis {
    pub(super) label: String,
    pub(super) range: (f64, f64),
    pub(super) step: f64,
    pub(super) tick: fn(f64) -> String,
}

pub(super) enum Layer {
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

#[derive(Clone, Copy)]
pub(super) enum Mark {
    Disc,
    Square,
    Star,
    Cross,
}

/// One entry of the key.
pub(super) struct Key {
    pub(super) label: String,
    pub(super) color: String,
    pub(super) symbol: Symbol,
}

pub(super) enum Symbol {
    Line,
    DashedLine,
    Mark(Mark),
}

/// A colour for the `index`-th of `count` ordered things: viridis without its pale end, dark for
/// the last.
pub(super) fn ordered_color(index: usize, count: usize) -> String {
    let fraction = if count < 2 {
        1.0
    } else {
        index as f64 / (count - 1) as f64
    };
    ColorMap::Viridis.map(0.8 - 0.7 * fraction)
}

/// A power of two as text, with a raised exponent: `2⁻⁸`.
pub(super) fn power_of_two(exponent: f64) -> String {
    let raise = |character| match character {
        '-' => '⁻',
        digit => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹']
            [digit.to_digit(10).unwrap_or(0) as usize],
    };
    format!(
        "2{}",
        format!("{}", exponent.round())
            .chars()
            .map(raise)
            .collect::<String>()
    )
}

/// A round tick distance that cuts a span into four to ten pieces.
pub(super) fn nice_step(span: f64) -> f64 {
    let magnitude = 10_f64.powf((span / 4.0).log10().floor());
    let steps = [5.0, 2.0, 1.0].map(|step| step * magnitude);
    steps
        .into_iter()
        .find(|step| span / step >= 4.0)
        .unwrap_or(magnitude)
}

pub(super) fn two_decimals(value: f64) -> String {
    format!("{value:.2}")
}

/// Draws the sheet in all its forms.
pub(super) fn draw(sheet: &Sheet) -> Result<Figure, FigureError> {
    let wide = scene(sheet, sheet.columns, FigureLegendPosition::RightMiddle);
    let narrow = scene(
        sheet,
        sheet.narrow_columns,
        FigureLegendPosition::BottomCenter,
    );
    let raster = |reason| FigureError::Raster {
        figure: sheet.name,
        reason,
    };
    Ok(Figure {
        svg: svg(&wide, &format!("{}-wide", sheet.name)),
        narrow_svg: svg(&narrow, &format!("{}-narrow", sheet.name)),
        png: RasterBackend::new().render_scene(&wide).map_err(raster)?,
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
    let margin_left = |index: usize| {
        if index.is_multiple_of(columns) {
            MARGIN_WITH_LABELS
        } else {
            MARGIN_WITHOUT_LABELS
        }
    };
    let layouts = sheet
        .panels
        .iter()
        .enumerate()
        .map(|(index, panel)| layout(panel, margin_left(index)));
    let grid = Grid::new(sheet.panels.len().div_ceil(columns), columns)
        .with_structure((0..sheet.panels.len()).map(|index| vec![index]).collect())
        .with_plots(
            sheet
                .panels
                .iter()
                .map(|panel| panel.layers.iter().map(plot).collect())
                .collect(),
        )
        .with_layouts(layouts.collect())
        .with_shared_y_all()
        .with_shared_legend_entries(sheet.keys.iter().map(entry).collect())
        .with_shared_legend_position(legend)
        .with_cell_size(MARGIN_WITHOUT_LABELS + width + MARGIN_RIGHT, height)
        .with_col_width(0, MARGIN_WITH_LABELS + width + MARGIN_RIGHT)
        .with_spacing(8.0);
    grid.render()
}

fn layout(panel: &Panel, margin_left: f64) -> Layout {
    let format = |tick: fn(f64) -> String| TickFormat::Custom(Arc::new(tick));
    let layout = Layout::new(panel.x.range, panel.y.range)
        .with_title(panel.title.as_str())
        .with_title_size(15)
        .with_label_size(13)
        .with_tick_size(12)
        .with_body_size(12)
        .with_x_label(panel.x.label.as_str())
        .with_y_label(panel.y.label.as_str())
        .with_x_axis_min(panel.x.range.0)
        .with_x_axis_max(panel.x.range.1)
        .with_y_axis_min(panel.y.range.0)
        .with_y_axis_max(panel.y.range.1)
        .with_x_tick_step(panel.x.step)
        .with_y_tick_step(panel.y.step)
        .with_x_tick_format(format(panel.x.tick))
        .with_y_tick_format(format(panel.y.tick))
        .with_force_margins(margin_left, MARGIN_RIGHT)
        .with_theme(theme());
    let guides = panel.guide.map(|x| {
        ReferenceLine::vertical(x)
            .with_color("#888888")
            .with_dasharray(DASHES)
    });
    let bands = panel
        .band
        .map(|(low, high)| ShadedRegion::horizontal(low, high).with_color("#888888"));
    let layout = guides.into_iter().fold(layout, Layout::with_reference_line);
    bands.into_iter().fold(layout, Layout::with_shaded_region)
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
        } => {
            let line = LinePlot::new()
                .with_data(points.clone())
                .with_color(color.as_str())
                .with_stroke_width(2.0);
            if *dashed {
                line.with_line_style(LineStyle::Custom(DASHES.to_owned()))
                    .into()
            } else {
                line.into()
            }
        }
        Layer::Area { points, color } => {
            let ends =
                |end: fn(&(f64, f64, f64)) -> f64| points.iter().map(end).collect::<Vec<_>>();
            let area = BandPlot::new(
                ends(|point| point.0),
                ends(|point| point.1),
                ends(|point| point.2),
            );
            Plot::Band(area.with_color(color.as_str()).with_opacity(AREA_OPACITY))
        }
        Layer::Marks {
            points,
            color,
            mark,
            size,
        } => {
            let marks = ScatterPlot::new()
                .with_data(points.iter().map(|(x, y, _)| (*x, *y)))
                .with_color(color.as_str())
                .with_marker(marker(*mark))
                .with_size(*size);
            let has_errors = points.iter().any(|(_, _, error)| *error > 0.0);
            if has_errors {
                marks
                    .with_y_err(points.iter().map(|(_, _, error)| *error))
                    .into()
            } else {
                marks.into()
            }
        }
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
        label: key.label.clone(),
        color: key.color.clone(),
        shape,
        dasharray,
    }
}
