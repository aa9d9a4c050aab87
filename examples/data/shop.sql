-- A small shop: customers, products, orders and their items; about 8,000 rows, the same ones every time.
CREATE TABLE customers (
  id         INTEGER PRIMARY KEY,
  name       TEXT NOT NULL,
  email      TEXT NOT NULL UNIQUE CHECK (email LIKE '%@%'),
  country    TEXT NOT NULL CHECK (length(country) = 2),
  created_on TEXT NOT NULL
);

CREATE TABLE categories (
  id        INTEGER PRIMARY KEY,
  name      TEXT NOT NULL UNIQUE,
  parent_id INTEGER REFERENCES categories (id) ON DELETE SET NULL
);

CREATE TABLE products (
  sku         TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  category_id INTEGER NOT NULL REFERENCES categories (id),
  price_cents INTEGER NOT NULL CHECK (price_cents > 0),
  stock       INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE orders (
  id          INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  ordered_on  TEXT NOT NULL,
  status      TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'paid', 'shipped', 'returned'))
);

CREATE TABLE order_items (
  order_id    INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
  line        INTEGER NOT NULL,
  sku         TEXT NOT NULL REFERENCES products (sku),
  quantity    INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 100),
  price_cents INTEGER NOT NULL,
  PRIMARY KEY (order_id, line)
);

CREATE INDEX orders_by_customer ON orders (customer_id, ordered_on);
CREATE INDEX open_orders ON orders (ordered_on) WHERE status = 'open';
CREATE INDEX items_by_product ON order_items (sku);

CREATE VIEW order_totals AS
  SELECT orders.id AS order_id, orders.customer_id, orders.ordered_on, sum(order_items.quantity * order_items.price_cents) AS total_cents
  FROM orders JOIN order_items ON order_items.order_id = orders.id
  GROUP BY orders.id;

INSERT INTO categories (id, name, parent_id) VALUES
  (1, 'Tools', NULL), (2, 'Hand tools', 1), (3, 'Power tools', 1), (4, 'Materials', NULL), (5, 'Timber', 4), (6, 'Sheet piles', 4);

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
INSERT INTO products (sku, name, category_id, price_cents, stock)
SELECT printf('P%04d', i), printf('%s %d', CASE i % 4 WHEN 0 THEN 'Pump' WHEN 1 THEN 'Beam' WHEN 2 THEN 'Pile' ELSE 'Wrench' END, i),
       1 + i * 7 % 6, 199 + i * 7919 % 90000, i * 31 % 250
FROM n;

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO customers (id, name, email, country, created_on)
SELECT i, printf('Customer %d', i), printf('customer%d@example.com', i),
       CASE i % 5 WHEN 0 THEN 'NL' WHEN 1 THEN 'DE' WHEN 2 THEN 'US' WHEN 3 THEN 'JP' ELSE 'BR' END, date('2024-01-01', printf('+%d days', i * 3 % 900))
FROM n;

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO orders (id, customer_id, ordered_on, status)
SELECT i, 1 + i * 13 % 500, date('2025-01-01', printf('+%d days', i * 17 % 600)),
       CASE i % 10 WHEN 0 THEN 'open' WHEN 1 THEN 'returned' WHEN 2 THEN 'paid' ELSE 'shipped' END
FROM n;

WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 5399)
INSERT OR IGNORE INTO order_items (order_id, line, sku, quantity, price_cents)
SELECT 1 + i % 2000, 1 + i / 2000, printf('P%04d', 1 + i * 29 % 200), 1 + i % 7, 199 + (1 + i * 29 % 200) * 7919 % 90000
FROM n;
