//! Plain functions: nothing here knows who calls them.

wit_bindgen::generate!({ world: "calculator", path: "wit" });

use exports::docs::calculator::calculate::{Error, Guest as Calculate, Op};
use exports::docs::calculator::geometry::{Axes, Description, Guest as Geometry, Point, Shape};

struct Calculator;

export!(Calculator);

impl Calculate for Calculator {
    fn eval_expression(op: Op, x: i64, y: i64) -> Result<i64, Error> {
        let (x, y) = (i128::from(x), i128::from(y));
        let exact = match op {
            Op::Add => x + y,
            Op::Subtract => x - y,
            Op::Multiply => x * y,
            Op::Divide => x.checked_div(y).ok_or(Error::DivisionByZero)?,
        };
        i64::try_from(exact).map_err(|_| Error::Overflow(Some(exact.to_string())))
    }

    fn to_bytes(of: u64) -> Vec<u8> {
        of.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: Vec<u8>) -> Result<u64, Error> {
        let places = bytes.iter().try_fold(0_u64, |sum, byte| sum.checked_mul(256).map(|sum| sum + u64::from(*byte)));
        places.ok_or(Error::Overflow(None))
    }
}

fn corners(shape: &Shape) -> Vec<Point> {
    match shape {
        Shape::Circle(_) | Shape::Nothing => Vec::new(),
        Shape::Rectangle((a, b)) => vec![*a, Point { x: b.x, y: a.y }, *b, Point { x: a.x, y: b.y }],
        Shape::Polygon(points) => points.clone(),
    }
}

fn area(shape: &Shape) -> f64 {
    if let Shape::Circle(radius) = shape {
        return std::f64::consts::PI * radius * radius;
    }
    let corners = corners(shape);
    let next = corners.iter().cycle().skip(1);
    let doubled: f64 = corners.iter().zip(next).map(|(a, b)| a.x * b.y - b.x * a.y).sum();
    doubled.abs() / 2.0
}

impl Geometry for Calculator {
    fn describe(shape: Shape) -> Description {
        let corners = corners(&shape);
        let count = corners.len() as f64;
        let sum = corners.iter().fold(Point { x: 0.0, y: 0.0 }, |sum, point| Point { x: sum.x + point.x, y: sum.y + point.y });
        let middle = (!corners.is_empty()).then(|| Point { x: sum.x / count, y: sum.y / count });
        let area = area(&shape);
        let remarks = if area == 0.0 { vec!["it has no area".to_owned()] } else { Vec::new() };
        Description { area, middle, remarks }
    }

    fn mirror(points: Vec<Point>, axes: Axes) -> Vec<Point> {
        let flip = |axis, value: f64| if axes.contains(axis) { -value } else { value };
        points.into_iter().map(|point| Point { x: flip(Axes::HORIZONTAL, point.x), y: flip(Axes::VERTICAL, point.y) }).collect()
    }

    fn ratio(a: Shape, b: Shape) -> f64 {
        area(&a) / area(&b)
    }
}
