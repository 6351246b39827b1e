WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true) AS off),
life AS (
	INSERT INTO replicas (replica, address, version, status, at) VALUES ($1, coalesce($2, ''), coalesce($3, ''), coalesce($4, ''), clock_timestamp())
	ON CONFLICT (replica) DO UPDATE SET address = coalesce($2, replicas.address), version = coalesce($3, replicas.version), status = coalesce($4, replicas.status), at = excluded.at),
observed AS (
	INSERT INTO gauges AS kept (model, rollout, replica, epoch, data, checksum, told)
	SELECT g.model, g.rollout, $1, g.epoch, g.data, g.checksum, $13
	FROM unnest($5::text[], $6::text[], $7::bigint[], $8::bytea[], $9::bytea[]) AS g (model, rollout, epoch, data, checksum)
	ON CONFLICT (model, rollout, replica, epoch) DO UPDATE SET data = excluded.data, checksum = excluded.checksum, told = excluded.told
	WHERE kept.told < excluded.told),
led AS (
	UPDATE leaders l SET replica = $1, until = now() + interval '5 seconds'
	WHERE l.model = ANY ($10::text[]) AND (l.replica = $1 OR (l.model, l.until) IN (SELECT o.model, o.until FROM unnest($14::text[], $15::timestamptz[]) AS o (model, until))) RETURNING l.model),
found AS (
	INSERT INTO leaders (model, replica, until) SELECT s.model, $1, now() + interval '5 seconds' FROM unnest($10::text[]) AS s (model)
	WHERE NOT EXISTS (SELECT FROM leaders l WHERE l.model = s.model) ON CONFLICT DO NOTHING RETURNING model),
mine AS (SELECT model FROM led UNION ALL SELECT model FROM found),
standing AS (SELECT model, generation FROM models UNION ALL
	SELECT s.model, 0 FROM unnest($10::text[]) AS s (model) WHERE NOT EXISTS (SELECT FROM models m WHERE m.model = s.model))
SELECT head.seq, CASE WHEN head.seq = $11 THEN '' ELSE head.hash END,
	coalesce((SELECT string_agg(substring(hash FOR 8), '' ORDER BY seq) FROM journal WHERE seq IN ($11, $12)), ''),
	coalesce(s.model, ''), coalesce(s.generation, 0), CASE WHEN mine.model IS NULL THEN coalesce(l.replica, '') END, CASE WHEN mine.model IS NULL THEN l.until END
FROM relaxed, head LEFT JOIN standing s ON true LEFT JOIN mine ON mine.model = s.model LEFT JOIN leaders l ON l.model = s.model
