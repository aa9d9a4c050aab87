-- One script that both engines take; they describe it in the same words.
CREATE TABLE categories (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    category_id INTEGER NOT NULL REFERENCES categories (id) ON DELETE CASCADE,
    sku VARCHAR(20) NOT NULL,
    name TEXT NOT NULL,
    price NUMERIC(10,2) NOT NULL DEFAULT 0,
    weight DOUBLE PRECISION,
    rating REAL DEFAULT 2.5,
    stock BIGINT NOT NULL DEFAULT 0,
    region CHAR(2) DEFAULT 'EU',
    discontinued BOOLEAN NOT NULL DEFAULT false,
    introduced DATE,
    changed TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT one_sku UNIQUE (category_id, sku),
    CONSTRAINT in_stock CHECK (stock >= 0),
    CHECK (price >= 0)
);
CREATE INDEX products_by_name ON products (name);
CREATE UNIQUE INDEX products_sku ON products (sku) WHERE stock > 0;
CREATE INDEX products_folded ON products (lower(name), category_id);
CREATE TABLE shelves (
    place TEXT NOT NULL,
    level INTEGER NOT NULL,
    product_id INTEGER,
    PRIMARY KEY (place, level),
    CONSTRAINT holds FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE SET NULL ON UPDATE CASCADE
);
CREATE TABLE boxes (
    id INTEGER PRIMARY KEY,
    place TEXT,
    level INTEGER,
    size SMALLINT NOT NULL DEFAULT 1 CHECK (size IN (1, 2, 3)),
    kind TEXT NOT NULL CHECK (kind IN ('crate', 'pallet')),
    FOREIGN KEY (place, level) REFERENCES shelves (place, level)
);
CREATE VIEW cheap AS SELECT id, name, price FROM products WHERE price < 10;
