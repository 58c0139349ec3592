//! A graph as bytes, and back: ids, then layer by layer each point with its row, its vector and its links. Nothing of the
//! crate's own format or names is in there, and everything is checked when it is read: the crate would end the process
//! over some damage. It can take up a graph from files of its own only, so reading makes such (`files.rs`).

use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use super::files::READER;
use super::{Graph, LAYERS, Shape, failure};
use crate::backend::bytes::{read_ids, read_numbers, write_ids, write_numbers};
use crate::error::{Error, Result};
use crate::metric::Metric;

const OPERATION: &str = "read a graph";

/// A point's links by layer: row and distance, as [`super::Measure`] gives it.
pub(super) type Links = Vec<Vec<(u32, f32)>>;

/// The rows and links of a graph, layer by layer in the crate's order.
pub(super) type Layers = Vec<Vec<(u32, Links)>>;

impl Graph {
    pub(crate) fn write(&self, target: &mut dyn Write) -> io::Result<()> {
        write_ids(target, &self.ids)?;
        let table = self.links.get_point_indexation();
        for layer in 0..LAYERS {
            write_count(target, table.get_layer_nb_point(layer))?;
            for point in table.get_layer_iterator(layer) {
                write_count(target, point.get_origin_id())?;
                write_numbers(target, point.get_v())?;
                for links in point.get_neighborhood_id() {
                    write_count(target, links.len())?;
                    for link in links {
                        write_count(target, link.d_id)?;
                        target.write_all(&link.distance.to_le_bytes())?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads what [`Graph::write`] wrote of a graph of this many rows.
    pub(crate) fn read(
        source: &mut dyn Read,
        rows: usize,
        dimension: usize,
        metric: Metric,
        shape: Shape,
    ) -> Result<Self> {
        let mut graph = Self::new(dimension, metric, shape);
        graph.ids = read_ids(source, rows).map_err(|error| unreadable(&error))?;
        let files = READER.files()?;
        let layers = files.vectors(dimension, |vectors| {
            read_layers(source, rows, dimension, vectors)
        });
        let layers = layers.map_err(|error| unreadable(&error))?;
        if rows > 0 {
            graph.links = files.load(&layers, dimension, metric, shape)?;
            graph.find_points()?;
        }
        Ok(graph)
    }

    /// By way of its bytes: the crate cannot copy.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        let path = std::env::temp_dir();
        let io = |source| Error::io(&path, source);
        let mut file = tempfile::tempfile().map_err(io)?;
        let mut buffered = BufWriter::new(&file);
        self.write(&mut buffered)
            .and_then(|()| buffered.flush())
            .map_err(io)?;
        drop(buffered);
        file.rewind().map_err(io)?;
        let (rows, dimension) = (self.ids.len(), self.dimension);
        Self::read(
            &mut BufReader::new(file),
            rows,
            dimension,
            self.metric,
            self.shape,
        )
    }
}

/// Reads all but the ids; hands each vector on with its row.
fn read_layers(
    source: &mut dyn Read,
    rows: usize,
    dimension: usize,
    mut vectors: impl FnMut(u32, &[f32]) -> io::Result<()>,
) -> io::Result<Layers> {
    let mut seen = vec![false; rows];
    let mut layers = Layers::new();
    for _ in 0..LAYERS {
        let count = read_count(source, rows)?;
        let mut layer = Vec::new();
        for _ in 0..count {
            let row = read_row(source, rows)?;
            if std::mem::replace(&mut seen[row as usize], true) {
                return Err(damaged("a row comes twice"));
            }
            let vector = read_numbers(source, dimension)?;
            if !vector.iter().all(|x| x.is_finite()) {
                return Err(damaged("a component is no number"));
            }
            vectors(row, &vector)?;
            let links = (0..LAYERS)
                .map(|_| read_links(source, rows))
                .collect::<io::Result<_>>()?;
            layer.push((row, links));
        }
        layers.push(layer);
    }
    if seen.contains(&false) {
        return Err(damaged("a row is missing"));
    }
    Ok(layers)
}

fn read_links(source: &mut dyn Read, rows: usize) -> io::Result<Vec<(u32, f32)>> {
    let count = read_count(source, rows)?;
    let mut links = Vec::new();
    for _ in 0..count {
        let row = read_row(source, rows)?;
        let distance = f32::from_le_bytes(read_bytes(source)?);
        if distance.is_nan() || distance < 0.0 {
            return Err(damaged("a distance is none"));
        }
        links.push((row, distance));
    }
    Ok(links)
}

fn write_count(target: &mut dyn Write, count: usize) -> io::Result<()> {
    let count = u32::try_from(count).map_err(io::Error::other)?;
    target.write_all(&count.to_le_bytes())
}

/// A number of things of which there is at most one per row.
fn read_count(source: &mut dyn Read, rows: usize) -> io::Result<u32> {
    let count = u32::from_le_bytes(read_bytes(source)?);
    if count as usize > rows {
        return Err(damaged("a count is too large"));
    }
    Ok(count)
}

fn read_row(source: &mut dyn Read, rows: usize) -> io::Result<u32> {
    let row = u32::from_le_bytes(read_bytes(source)?);
    if row as usize >= rows {
        return Err(damaged("a row is not in the index"));
    }
    Ok(row)
}

fn read_bytes<const N: usize>(source: &mut dyn Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn damaged(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn unreadable(error: &io::Error) -> Error {
    failure(OPERATION, &error.to_string())
}
