/* Solves the heat equation on the unit square with MPI, and knows how wrong it may be.
 *
 *     du/dt = a (d2u/dx2 + d2u/dy2),  u = 0 at the edge,  u(t=0) = sin(m pi x) sin(n pi y)
 *
 * The solution fades without changing its shape: u = exp(-a pi^2 (m^2 + n^2) t) u(t=0). The explicit scheme keeps the
 * shape too; it multiplies by the same factor at each step. So its error against the solution is known beforehand, and
 * the program fails when it finds any other: a lost halo or a forgotten rank cannot go unseen.
 *
 * Usage: heat INPUT. Writes heat.field (x, y, u, solution, difference) and heat.result into the working directory.
 * Exit status: 0 error as expected, 1 any other error, 2 bad input.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <math.h>
#include <mpi.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846

enum { DONE, WRONG, BAD_INPUT };

/* What the input file says. All numbers are doubles, so that one broadcast carries them. */
typedef struct {
    double nx, ny, diffusivity, mode_x, mode_y, end_time, steps, report_every;
} Input;

typedef struct {
    const char *name;
    size_t place;
    double least, most;
    int whole;
} Key;

static const Key KEYS[] = {
    {"nx", offsetof(Input, nx), 1, 20000, 1},
    {"ny", offsetof(Input, ny), 1, 20000, 1},
    {"diffusivity", offsetof(Input, diffusivity), 1e-9, 1e9, 0},
    {"mode_x", offsetof(Input, mode_x), 1, 1000, 1},
    {"mode_y", offsetof(Input, mode_y), 1, 1000, 1},
    {"end_time", offsetof(Input, end_time), 1e-12, 1e12, 0},
    {"steps", offsetof(Input, steps), 1, 1e9, 1},
    {"report_every", offsetof(Input, report_every), 1, 1e9, 1},
};
enum { N_KEYS = sizeof KEYS / sizeof KEYS[0] };

static double *value_of(Input *input, const Key *key) { return (double *)((char *)input + key->place); }

static int complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "heat: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    return BAD_INPUT;
}

static const Key *find_key(const char *name)
{
    for (int i = 0; i < N_KEYS; i++)
        if (strcmp(KEYS[i].name, name) == 0) return &KEYS[i];
    return NULL;
}

/* Reads "key = number" lines; # begins a comment. Tells everything that is wrong. */
static int read_input(const char *path, Input *input)
{
    FILE *file = fopen(path, "r");
    if (!file) return complain("%s: %s", path, strerror(errno));
    char line[512], name[64], text[64], rest[2];
    int status = DONE, seen[N_KEYS] = {0};
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        line[strcspn(line, "#\r\n")] = '\0';
        if (line[strspn(line, " \t")] == '\0') continue;
        if (sscanf(line, " %63[a-z_] = %63s %1s", name, text, rest) != 2) {
            status = complain("%s:%d: found '%s', expected key = number", path, number, line);
            continue;
        }
        const Key *key = find_key(name);
        if (!key) {
            status = complain("%s:%d: unknown key '%s'", path, number, name);
            continue;
        }
        char *end;
        double value = strtod(text, &end);
        if (*end || !(value >= key->least && value <= key->most) || (key->whole && value != floor(value)))
            status = complain("%s:%d: %s = %s, expected a %s from %g to %g", path, number, name, text,
                              key->whole ? "whole number" : "number", key->least, key->most);
        else if (seen[key - KEYS]++)
            status = complain("%s:%d: %s is given twice", path, number, name);
        *value_of(input, key) = value;
    }
    if (ferror(file)) status = complain("%s: %s", path, strerror(errno));
    fclose(file);
    for (int i = 0; i < N_KEYS && status == DONE; i++)
        if (!seen[i]) status = complain("%s: the key %s is missing", path, KEYS[i].name);
    return status;
}

static int check_input(const char *path, const Input *in, int ranks)
{
    if (in->ny < ranks)
        return complain("%s: ny = %g, but there are %d ranks: each takes at least one row", path, in->ny, ranks);
    if (in->mode_x > in->nx || in->mode_y > in->ny)
        return complain("%s: the grid cannot show that many half waves: mode_x <= nx and mode_y <= ny", path);
    double needed = 2 * in->diffusivity * in->end_time * (pow(in->nx + 1, 2) + pow(in->ny + 1, 2));
    if (in->steps < needed)
        return complain("%s: %g steps are unstable here; take at least %.0f", path, in->steps, ceil(needed));
    return DONE;
}

/* The rows first .. first + count - 1 (counted from 0) are this rank's. */
static void my_rows(int rank, int ranks, int ny, int *first, int *count)
{
    int each = ny / ranks, more = ny % ranks;
    *count = each + (rank < more);
    *first = rank * each + (rank < more ? rank : more);
}

static double start_value(const Input *in, int i, int j)
{
    return sin(in->mode_x * PI * (i + 1) / (in->nx + 1)) * sin(in->mode_y * PI * (j + 1) / (in->ny + 1));
}

/* Largest |sin| on the grid's points: what the error is scaled with. */
static double crest(double mode, double n)
{
    double highest = 0;
    for (int i = 1; i <= (int)n; i++) highest = fmax(highest, fabs(sin(mode * PI * i / (n + 1))));
    return highest;
}

static double solution_factor(const Input *in, double time)
{
    return exp(-in->diffusivity * PI * PI * (in->mode_x * in->mode_x + in->mode_y * in->mode_y) * time);
}

/* What the scheme makes of the start after all steps: one factor for each step. */
static double scheme_factor(const Input *in, double rx, double ry)
{
    double sx = sin(in->mode_x * PI / (in->nx + 1) / 2), sy = sin(in->mode_y * PI / (in->ny + 1) / 2);
    return pow(1 - 4 * rx * sx * sx - 4 * ry * sy * sy, in->steps);
}

static void exchange_edges(double *u, int width, int rows, int rank, int ranks)
{
    int above = rank > 0 ? rank - 1 : MPI_PROC_NULL, below = rank < ranks - 1 ? rank + 1 : MPI_PROC_NULL;
    MPI_Sendrecv(u + width, width, MPI_DOUBLE, above, 0, u + (rows + 1) * width, width, MPI_DOUBLE, below, 0,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Sendrecv(u + rows * width, width, MPI_DOUBLE, below, 1, u, width, MPI_DOUBLE, above, 1, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
}

/* Rank 0 writes the rows of all ranks in order. Returns 0 when the file could not be written whole. */
static int write_field(const Input *in, const double *u, int width, int rank, int ranks, double factor)
{
    int nx = (int)in->nx, first, count, good = 1;
    double *row = malloc(sizeof *row * width);
    FILE *file = rank == 0 ? fopen("heat.field", "w") : NULL;
    if (rank == 0 && !file) good = 0;
    if (file) fprintf(file, "# x y u solution difference\n");
    for (int owner = 0; owner < ranks; owner++) {
        my_rows(owner, ranks, (int)in->ny, &first, &count);
        for (int j = 0; j < count; j++) {
            if (rank == owner) memcpy(row, u + (j + 1) * width, sizeof *row * width);
            if (owner && rank == owner) MPI_Send(row, width, MPI_DOUBLE, 0, 2, MPI_COMM_WORLD);
            if (owner && rank == 0) MPI_Recv(row, width, MPI_DOUBLE, owner, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            for (int i = 0; file && i < nx; i++) {
                double exact = factor * start_value(in, i, first + j);
                fprintf(file, "%.6f %.6f %.12e %.12e %.3e\n", (i + 1) / (in->nx + 1), (first + j + 1) / (in->ny + 1),
                        row[i + 1], exact, row[i + 1] - exact);
            }
        }
    }
    if (file && (ferror(file) | fclose(file))) good = 0;
    if (rank == 0 && !good) complain("heat.field: %s", strerror(errno));
    free(row);
    return good;
}

static int write_result(const Input *in, int ranks, const char *hosts, double error, double expected, int agrees)
{
    FILE *file = fopen("heat.result", "w");
    if (!file) return complain("heat.result: %s", strerror(errno)), 0;
    fprintf(file, "ranks = %d\nhosts = %s\ngrid = %g x %g\nsteps = %g\nend_time = %g\n", ranks, hosts, in->nx, in->ny,
            in->steps, in->end_time);
    fprintf(file, "error = %.9e\nerror_expected = %.9e\nas_expected = %s\n", error, expected, agrees ? "yes" : "no");
    return !(ferror(file) | fclose(file));
}

/* On rank 0: the names of the hosts, each once as long as a host's ranks are neighbours. */
static void gather_hosts(int rank, int ranks, char *hosts, size_t size)
{
    char name[MPI_MAX_PROCESSOR_NAME] = "", *names = NULL;
    int length;
    MPI_Get_processor_name(name, &length);
    if (rank == 0) names = malloc((size_t)ranks * sizeof name);
    MPI_Gather(name, sizeof name, MPI_CHAR, names, sizeof name, MPI_CHAR, 0, MPI_COMM_WORLD);
    for (int r = 0; rank == 0 && r < ranks; r++) {
        const char *host = names + r * sizeof name;
        if (r && strcmp(host, host - sizeof name) == 0) continue;
        if (strlen(hosts) + sizeof name < size) strcat(strcat(hosts, r ? " " : ""), host);
    }
    free(names);
}

static int solve(const Input *in, int rank, int ranks)
{
    int nx = (int)in->nx, width = nx + 2, first, rows, steps = (int)in->steps, every = (int)in->report_every;
    my_rows(rank, ranks, (int)in->ny, &first, &rows);
    double dt = in->end_time / in->steps;
    double rx = in->diffusivity * dt * pow(in->nx + 1, 2), ry = in->diffusivity * dt * pow(in->ny + 1, 2);
    double *u = calloc((size_t)(rows + 2) * width, sizeof *u), *next = calloc((size_t)(rows + 2) * width, sizeof *u);
    if (!u || !next) {
        complain("rank %d: not enough memory", rank);
        MPI_Abort(MPI_COMM_WORLD, WRONG);
    }
    for (int j = 0; j < rows; j++)
        for (int i = 0; i < nx; i++) u[(j + 1) * width + i + 1] = start_value(in, i, first + j);

    char hosts[4096] = "";
    gather_hosts(rank, ranks, hosts, sizeof hosts);
    if (rank == 0) printf("%d ranks on %s, grid %g x %g, %d steps\n", ranks, hosts, in->nx, in->ny, steps);

    for (int step = 1; step <= steps; step++) {
        exchange_edges(u, width, rows, rank, ranks);
        for (int j = 1; j <= rows; j++)
            for (int i = 1; i <= nx; i++) {
                int k = j * width + i;
                next[k] = u[k] + rx * (u[k - 1] - 2 * u[k] + u[k + 1]) + ry * (u[k - width] - 2 * u[k] + u[k + width]);
            }
        double *swap = u;
        u = next;
        next = swap;
        if (step % every == 0 || step == steps) {
            double mine = 0, highest;
            for (int j = 1; j <= rows; j++)
                for (int i = 1; i <= nx; i++) mine = fmax(mine, fabs(u[j * width + i]));
            MPI_Reduce(&mine, &highest, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
            if (rank == 0) printf("step %d of %d, time %.6f, highest %.9f\n", step, steps, step * dt, highest);
            fflush(stdout);
        }
    }

    double factor = solution_factor(in, in->end_time), mine = 0, error = 0;
    for (int j = 0; j < rows; j++)
        for (int i = 0; i < nx; i++)
            mine = fmax(mine, fabs(u[(j + 1) * width + i + 1] - factor * start_value(in, i, first + j)));
    MPI_Reduce(&mine, &error, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    int good = write_field(in, u, width, rank, ranks, factor);
    if (rank == 0) {
        double top = crest(in->mode_x, in->nx) * crest(in->mode_y, in->ny);
        double expected = fabs(scheme_factor(in, rx, ry) - factor) * top;
        /* Rounding grows with the steps; a real fault is larger by far. */
        int agrees = fabs(error - expected) <= 1e-6 * expected + 1e-15 * in->steps;
        printf("error %.9e, expected %.9e: %s\n", error, expected, agrees ? "as expected" : "NOT as expected");
        good = write_result(in, ranks, hosts, error, expected, agrees) && good && agrees;
    }
    MPI_Bcast(&good, 1, MPI_INT, 0, MPI_COMM_WORLD);
    free(u);
    free(next);
    return good ? DONE : WRONG;
}

int main(int argc, char **argv)
{
    int rank, ranks, status = DONE;
    Input input = {0};
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    if (rank == 0) {
        status = argc == 2 ? read_input(argv[1], &input) : complain("usage: heat INPUT");
        if (status == DONE) status = check_input(argv[1], &input, ranks);
    }
    MPI_Bcast(&status, 1, MPI_INT, 0, MPI_COMM_WORLD);
    if (status == DONE) {
        MPI_Bcast(&input, sizeof input / sizeof(double), MPI_DOUBLE, 0, MPI_COMM_WORLD);
        status = solve(&input, rank, ranks);
    }
    MPI_Finalize();
    return status;
}
