/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* Positions of a game that GNU Go 3.8 played against itself (level 1, seed 7): after 24, 48 ... 120 moves. */
#include <stddef.h>
#include "load/cpu_job.h"

const char *const sg_cpu_position[SG_CPU_POSITIONS + 1] = {
	"(;GM[1]FF[4]SZ[19]KM[6.5]PL[B]"
	"AB[jc][qc][nd][pd][ql][ep][fp][jp][lp][np][pp][fq]"
	"AW[dc][qd][ce][qe][pf][cn][mn][on][qn][cp][dq][eq]"
	")\n",
	"(;GM[1]FF[4]SZ[19]KM[6.5]PL[B]"
	"AB[eb][gc][jc][qc][rc][nd][pd][nf][sf][fj][pk][fl][kl][ql][kn][qo][ep][fp][jp][lp][np][pp]"
	"[qp][fq]"
	"AW[dc][qd][ce][qe][ff][pf][ng][eh][ph][rh][li][cj][qj][nk][dl][rm][cn][mn][on][qn][po][cp]"
	"[dq][eq]"
	")\n",
	"(;GM[1]FF[4]SZ[19]KM[6.5]PL[B]"
	"AB[ha][eb][gb][gc][jc][qc][rc][nd][pd][je][mf][nf][sf][lg][gi][ji][fj][pk][fl][kl][ql][en]"
	"[kn][qo][ep][fp][jp][lp][np][pp][qp][rp][fq][sq][fr][rr]"
	"AW[fa][ga][db][fb][dc][ec][qd][ce][qe][ff][hf][of][pf][mg][ng][eh][ph][rh][li][cj][qj][nk]"
	"[dl][rm][cn][mn][on][qn][po][ro][so][cp][sp][dq][eq][er]"
	")\n",
	"(;GM[1]FF[4]SZ[19]KM[6.5]PL[B]"
	"AB[ha][eb][gb][gc][hc][jc][qc][rc][fd][nd][od][pd][je][mf][nf][sf][kg][lg][gi][ji][fj][kk]"
	"[pk][fl][kl][ql][lm][mm][en][kn][nn][no][oo][qo][ep][fp][jp][lp][np][pp][qp][rp][fq][sq]"
	"[fr][hr][rr][gs]"
	"AW[fa][ga][db][fb][dc][ec][fc][ed][qd][ce][oe][qe][se][ff][hf][of][pf][rf][mg][ng][eh][lh]"
	"[ph][rh][li][cj][qj][nk][dl][ll][ml][nm][rm][cn][mn][on][pn][qn][po][ro][so][cp][sp][dq]"
	"[eq][er][es][fs]"
	")\n",
	"(;GM[1]FF[4]SZ[19]KM[6.5]PL[B]"
	"AB[ha][eb][gb][gc][hc][jc][qc][rc][sc][fd][gd][nd][od][pd][je][mf][nf][sf][kg][lg][hh][gi]"
	"[ji][ni][fj][oj][pj][fk][kk][ok][pk][fl][kl][nl][ql][lm][mm][om][pm][qm][en][kn][nn][no]"
	"[oo][qo][ep][fp][jp][lp][np][pp][qp][rp][fq][sq][fr][hr][rr][gs]"
	"AW[fa][ga][db][fb][dc][ec][fc][ed][qd][rd][ce][fe][oe][qe][se][ff][hf][of][pf][rf][hg][mg]"
	"[ng][eh][gh][lh][ph][rh][ei][li][mi][pi][cj][mj][qj][ek][nk][qk][dl][ll][ml][rl][rm][cn]"
	"[mn][on][pn][qn][rn][po][ro][so][cp][sp][dq][eq][er][es][fs]"
	")\n",
	NULL,
};
