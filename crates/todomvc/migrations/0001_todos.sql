-- The todos. `stamp` is a fingerprint of what the row says: it is the row's ETag, and the list's revision is made of
-- all stamps. It is derived from the content, so every replica and every restored copy agrees on it.
CREATE TABLE todo (
    id        uuid    PRIMARY KEY,
    title     text    NOT NULL CHECK (char_length(title) BETWEEN 1 AND 500),
    completed boolean NOT NULL DEFAULT false,
    "order"   bigint  NOT NULL,
    -- Keeps todos of equal "order" in the order they were made.
    position  bigint  NOT NULL GENERATED ALWAYS AS IDENTITY,
    stamp     bigint  NOT NULL GENERATED ALWAYS AS (
        hashtextextended(id::text || ' ' || completed::text || ' ' || "order"::text || ' ' || title, 0)
    ) STORED
);

-- The list is read in this order, and a new todo's place is found at its end.
CREATE INDEX todo_in_order ON todo ("order", position);

-- One short text that changes when anything in the list changes, without reading any title.
CREATE FUNCTION todo_revision() RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT to_hex(count(*)) || '-' || to_hex(coalesce(bit_xor(stamp), 0)) FROM todo
$$;
