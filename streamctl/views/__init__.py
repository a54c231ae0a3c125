"""What is read: rows for listings and exports. Views never write."""
