struct node { long different_size[9]; } second;
struct declared_only;
typedef int same_typedef;
extern int global_counter;
static int helper(int v) { return v - 1; }
int other(struct declared_only *d) { same_typedef v = d != 0; second.different_size[0] = v; return helper(v) + global_counter; }
