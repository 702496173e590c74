struct hidden;
struct hidden *other_make(int n);
int other_use(struct hidden *h);
