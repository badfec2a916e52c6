-- The disks that data lies on: room left, and size.
SELECT CAST(name AS String) AS disk, toInt64(free_space) AS free, toInt64(total_space) AS size FROM system.disks
