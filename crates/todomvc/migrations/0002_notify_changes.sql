-- Tells every replica what changed, as part of the transaction that changes it: PostgreSQL delivers notifications at
-- commit and in commit order, and one that is rolled back is never heard.
CREATE FUNCTION todo_notify() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    changed bigint;
    payload text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        SELECT count(*) INTO changed FROM gone;
        -- A hundred ids take 3900 bytes; a notification may have 8000.
        IF changed BETWEEN 1 AND 100 THEN
            SELECT json_build_object('type', 'delete', 'ids', json_agg(id)) INTO payload FROM gone;
        END IF;
    ELSIF TG_OP = 'INSERT' THEN
        SELECT count(*) INTO changed FROM made;
        IF changed = 1 THEN
            SELECT json_build_object('type', 'put', 'todo', json_build_object(
                'id', id, 'title', title, 'completed', completed, 'order', "order")) INTO payload FROM made;
        END IF;
    ELSE
        -- A repeated write changes nothing, and nobody needs to hear of it.
        SELECT count(*) INTO changed FROM made JOIN gone USING (id) WHERE made.stamp <> gone.stamp;
        IF changed = 1 THEN
            SELECT json_build_object('type', 'put', 'todo', json_build_object(
                'id', made.id, 'title', made.title, 'completed', made.completed, 'order', made."order"))
            INTO payload FROM made JOIN gone USING (id) WHERE made.stamp <> gone.stamp;
        END IF;
    END IF;
    IF changed > 0 THEN
        IF payload IS NULL OR octet_length(payload) >= 8000 THEN
            payload := '{"type":"reset"}';
        END IF;
        PERFORM pg_notify('todo_change', payload);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER todo_inserted AFTER INSERT ON todo
REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION todo_notify();

CREATE TRIGGER todo_updated AFTER UPDATE ON todo
REFERENCING OLD TABLE AS gone NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION todo_notify();

CREATE TRIGGER todo_deleted AFTER DELETE ON todo
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION todo_notify();
