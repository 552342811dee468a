"""Reference figures of the estimators of domain/selection, by numpy, scipy, statsmodels and arch.

Prints what domain/selection/tests/estimators.rs compares with; run with those packages installed (versions are printed).
The series is made of a linear congruential generator that the Rust test repeats to the bit.
"""
import math, sys
import numpy as np, scipy, statsmodels, arch
from scipy.special import gammaln
from statsmodels.stats.diagnostic import acorr_ljungbox, het_arch
from statsmodels.tsa.stattools import acf
from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

def uniforms(n, seed):
    out, s = [], seed
    for _ in range(n):
        s = (s * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        out.append((s >> 11) / 2.0**53)
    return out

def normals(n, seed):
    # the sum of twelve uniforms less six: no library function, so equal in every language
    u = uniforms(12 * n, seed)
    return [sum(u[12*i:12*i+12]) - 6.0 for i in range(n)]

def garch_series(n, seed, alpha, beta):
    h, out = 1.0, []
    for z in normals(n, seed):
        e = math.sqrt(h) * z
        out.append(0.01 * e)
        h = (1 - alpha - beta) + alpha * e * e + beta * h
    return np.array(out)

def regime_series(n, seed, calm, wild):
    z, u = normals(n, seed), uniforms(n, seed + 1)
    state, out = 0, []
    for i in range(n):
        out.append(0.01 * z[i] * (0.6 if state == 0 else 1.8))
        stay = calm if state == 0 else wild
        if u[i] >= stay: state = 1 - state
    return np.array(out)

def ar_series(n, seed, phi):
    x, out = 0.0, []
    for z in normals(n, seed):
        x = phi * x + 0.01 * z
        out.append(x)
    return np.array(out)

def windows(longest):
    nxt, out = 10.0, []
    while round_half_away(nxt) <= longest:
        out.append(round_half_away(nxt)); nxt *= 1.25
    return out
def round_half_away(x): return int(math.floor(x + 0.5))

def expected(n):
    r = np.arange(1, n)
    return math.exp(gammaln((n-1)/2) - gammaln(n/2)) / math.sqrt(math.pi) * np.sqrt((n-r)/r).sum()

def rs(x, n):
    k = len(x) // n
    b = x[len(x)-k*n:].reshape(k, n)
    d = np.cumsum(b - b.mean(axis=1, keepdims=True), axis=1)
    rng = np.maximum(d.max(axis=1), 0) - np.minimum(d.min(axis=1), 0)
    return (rng / b.std(axis=1)).mean()

def hurst(x):
    w = windows(len(x)//2)
    y = [math.log(rs(x, n)) - math.log(expected(n)) for n in w]
    return 0.5 + np.polyfit(np.log(w), y, 1)[0]

def dfa(x):
    y = np.cumsum(x - x.mean()); w = windows(len(x)//4); f = []
    for n in w:
        k = len(y)//n; b = y[len(y)-k*n:].reshape(k, n); t = np.arange(n)
        res = []
        for row in b:
            c = np.polyfit(t, row, 1); res.append(np.mean((row - np.polyval(c, t))**2))
        f.append(math.sqrt(np.mean(res)))
    return np.polyfit(np.log(w), np.log(f), 1)[0]

def closes(name):
    out = []
    for line in open(f"data/{name}.csv").read().splitlines()[1:]:
        out.append(float(line.split(",")[4]))
    return np.array(out)

def exact(r):
    """The likelihood with the first variance equal to the sample's, by scipy's simplex."""
    from scipy.optimize import minimize
    e = r - r.mean(); v = (e**2).mean(); q = e**2 / v
    def minus(t):
        w, a, b = t
        if w <= 0 or a < 0 or b < 0 or a + b >= 1: return 1e9
        h, total = 1.0, 0.0
        for x in q:
            total += math.log(h) + x / h
            h = w + a * x + b * h
        return 0.5 * total
    best = minimize(minus, [0.05, 0.09, 0.85], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-10, "maxiter": 5000, "maxfev": 9000})
    w, a, b = best.x
    return w * v, a, b, -best.fun - 0.5 * len(r) * (math.log(2 * math.pi) + math.log(v))

print("versions", np.__version__, scipy.__version__, statsmodels.__version__, arch.__version__, file=sys.stderr)
for n in (10, 11, 50, 125, 500): print("expected", n, repr(float(expected(n))))
import statsmodels.api as sm

def report(name, r):
    print("==", name, len(r), repr(float(r[0])), repr(float(r[-1])))
    print("hurst", repr(float(hurst(r))), "short", repr(float(hurst(r[-250:]))), "dfa", repr(float(dfa(r))))
    print("acf1", repr(float(acf(r, nlags=1, fft=False)[1])))
    lb = acorr_ljungbox(r, lags=[10]); print("lb", lb.values.tolist())
    print("arch", het_arch(r, nlags=10)[:2])
    e = r - r.mean(); v = (e**2).mean()
    m = arch.arch_model(e/math.sqrt(v), mean="Zero", vol="GARCH", p=1, q=1, rescale=False)
    best=None
    for start in ([0.04,.08,.88],[.35,.05,.6],[.1,.15,.75]):
        f = m.fit(disp="off", backcast=1.0, starting_values=np.array(start), options={"ftol":1e-14,"maxiter":1000}, tol=1e-14)
        if best is None or f.loglikelihood > best.loglikelihood: best=f
    f=best
    z = f.std_resid
    print("garch omega", repr(float(f.params["omega"]*v)), "alpha", repr(float(f.params["alpha[1]"])), "beta", repr(float(f.params["beta[1]"])), "ll", repr(float(f.loglikelihood - len(r)*0.5*math.log(v))))
    print("exact omega, alpha, beta, log likelihood", [float(x) for x in exact(r)])
    print("  z lb", acorr_ljungbox(z, lags=[10]).values.tolist(), "z2", acorr_ljungbox(z**2, lags=[10]).values.tolist(), "arch", het_arch(z, nlags=10)[:2])
def chain(name, r):
    s = r.std()
    m = MarkovRegression(r/s, k_regimes=2, trend="c", switching_variance=True)
    np.random.seed(1)
    f = m.fit(search_reps=20, disp=0)
    P = f.regime_transition[:, :, 0]
    sj = f.smoothed_joint_probabilities
    stay = sum(sj[i,i].sum() for i in range(2)) / sj.sum()
    print("chain", name, "P", P.tolist(), "sd", [float(s*math.sqrt(x)) for x in f.params[-2:]], "stay", float(stay), "ll", f.llf, sj.shape)
def reversion(name, x):
    y, X = x[1:], sm.add_constant(x[:-1])
    f = sm.OLS(y, X).fit(); phi = f.params[1]
    print("ar", name, "phi", repr(float(phi)), "t", repr(float((phi-1)/f.bse[1])), "hl", repr(float(math.log(2)/-math.log(phi))))
r = garch_series(1000, 7, 0.08, 0.9); report("garch 7", r)
report("garch 8", garch_series(1000, 8, 0.15, 0.7))
g = np.log(closes("GOOG"))[-1001:]; report("goog", np.diff(g)); reversion("goog 500", g[-500:])
i = np.log(closes("IBM"))[-1001:]; report("ibm", np.diff(i)); reversion("ibm 500", i[-500:])
x = regime_series(1000, 9, 0.98, 0.95); chain("9", x)
chain("goog", np.diff(g)); chain("ibm", np.diff(i))
reversion("ar 5", ar_series(500, 5, 0.95)); reversion("ar 6", ar_series(500, 6, 0.7))
