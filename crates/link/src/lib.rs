//! What a link driver needs: packet buffers, chunks, the pool, offloads and the Link trait.
