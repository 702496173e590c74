/*
 * bisect: a place in what is sorted.
 */
#ifndef RS_BASE_BISECT_H
#define RS_BASE_BISECT_H

#include <stddef.h>

/*
 * The first i in [0, n) for which `below`, an expression in i, does not hold; n if it holds for
 * all. It must hold for the first ones and for none behind them.
 */
#define BISECT(i, n, below)                                                                        \
	({                                                                                         \
		size_t bisect_lo_ = 0, bisect_hi_ = (n);                                           \
		while (bisect_lo_ < bisect_hi_) {                                                  \
			size_t i = bisect_lo_ + (bisect_hi_ - bisect_lo_) / 2;                     \
			if (below)                                                                 \
				bisect_lo_ = i + 1;                                                \
			else                                                                       \
				bisect_hi_ = i;                                                    \
		}                                                                                  \
		bisect_lo_;                                                                        \
	})

#endif
