//! `vinedb cluster --plot`: the map of the clusters as an SVG picture, with the largest clusters and their words beside it.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use vinedb::cluster::{Clusters, Place};

const WIDTH: u32 = 1280;
const HEIGHT: u32 = 800;
/// Width of the map; the legend has the rest.
const MAP: u32 = 780;
const MARGIN: i32 = 20;
const TITLE: i32 = 50;
/// Height of a cluster's line, and how many characters of it there is room for.
const LINE: i32 = 26;
const LINE_CHARACTERS: usize = 72;
const FONT: &str = "sans-serif";

/// Refuses a file that would not be opened as a picture, before anything is clustered.
pub(super) fn check(file: &Path) -> Result<()> {
    let is_svg = file
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("svg"));
    ensure!(
        is_svg,
        "--plot: {} was given, a file name that ends in .svg was expected",
        file.display()
    );
    folder(file).map(drop)
}

/// Draws the picture, with a headline for each cluster, in place of the file that may be there.
pub(super) fn draw(found: &Clusters, headlines: &[String], file: &Path) -> Result<()> {
    let mut svg = String::new();
    picture(
        found,
        headlines,
        &SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area(),
    )
    .context("the plot")?;
    fs::write(file, svg).with_context(|| file.display().to_string())
}

fn folder(file: &Path) -> Result<PathBuf> {
    let folder = match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    ensure!(
        folder.is_dir(),
        "--plot: the folder {} does not exist",
        folder.display()
    );
    Ok(folder)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn picture(found: &Clusters, headlines: &[String], area: &Area<'_>) -> Result<()> {
    area.fill(&WHITE)?;
    let shown = found.map.len();
    let title = format!(
        "{} clusters of {} documents, {shown} of them shown",
        found.clusters.len(),
        found.documents
    );
    area.draw(&Text::new(title, (MARGIN, MARGIN), (FONT, 20).into_font()))?;
    let (map, right) = area
        .margin(TITLE, MARGIN, MARGIN, MARGIN)
        .split_horizontally(MAP);
    points(&found.map, &map)?;
    legend(headlines, &right)?;
    area.present()?;
    Ok(())
}

fn points(places: &[Place], area: &Area<'_>) -> Result<()> {
    let (width, height) = area.dim_in_pixel();
    let x = range(places.iter().map(|place| place.x));
    let y = range(places.iter().map(|place| place.y));
    // Both axes have one scale, so that what looks near is near.
    let per_pixel = (length(&x) / f64::from(width)).max(length(&y) / f64::from(height));
    let mut chart = ChartBuilder::on(area).build_cartesian_2d(
        widened(&x, per_pixel * f64::from(width)),
        widened(&y, per_pixel * f64::from(height)),
    )?;
    let point = |place: &Place| {
        let at = (f64::from(place.x), f64::from(place.y));
        Circle::new(at, 3, colour(place.cluster).mix(0.7).filled())
    };
    chart.draw_series(places.iter().map(point))?;
    Ok(())
}

/// From the smallest to the largest, with a little around.
fn range(numbers: impl Iterator<Item = f32>) -> Range<f64> {
    let (low, high) = numbers.fold((f32::MAX, f32::MIN), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    if low > high {
        return -1.0..1.0;
    }
    let (low, high) = (f64::from(low), f64::from(high));
    let around = ((high - low) * 0.03).max(1e-9);
    low - around..high + around
}

fn length(range: &Range<f64>) -> f64 {
    range.end - range.start
}

fn widened(range: &Range<f64>, length: f64) -> Range<f64> {
    let middle = range.start.midpoint(range.end);
    middle - length / 2.0..middle + length / 2.0
}

fn legend(headlines: &[String], area: &Area<'_>) -> Result<()> {
    let lines = usize::try_from(area.dim_in_pixel().1)? / usize::try_from(LINE)?;
    let shown = if headlines.len() > lines {
        lines - 1
    } else {
        headlines.len()
    };
    let mut y = LINE / 2;
    for (number, headline) in headlines[..shown].iter().enumerate() {
        area.draw(&Circle::new((MARGIN, y), 6, colour(number).filled()))?;
        line(area, y, &format!("{number}: {headline}"))?;
        y += LINE;
    }
    match headlines.len() - shown {
        0 => Ok(()),
        more => line(area, y, &format!("and {more} smaller ones")),
    }
}

fn line(area: &Area<'_>, y: i32, text: &str) -> Result<()> {
    let style = (FONT, 13).into_font().color(&BLACK);
    let style = style.pos(Pos::new(HPos::Left, VPos::Center));
    let short: String = match text.chars().nth(LINE_CHARACTERS) {
        None => text.to_owned(),
        Some(_) => text
            .chars()
            .take(LINE_CHARACTERS - 2)
            .chain(" …".chars())
            .collect(),
    };
    area.draw(&Text::new(short, (MARGIN + 14, y), style))?;
    Ok(())
}

fn colour(cluster: usize) -> RGBColor {
    let (red, green, blue) = Palette99::COLORS[cluster % Palette99::COLORS.len()];
    RGBColor(red, green, blue)
}
