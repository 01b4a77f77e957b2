
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_chars.h"


#define D  NGX_S3JOBS_CHAR_DIGIT
#define A  NGX_S3JOBS_CHAR_ALPHA
#define H  NGX_S3JOBS_CHAR_HYPHEN
#define U  NGX_S3JOBS_CHAR_UNDERSCORE
#define P  NGX_S3JOBS_CHAR_DOT
#define T  NGX_S3JOBS_CHAR_TILDE
#define I  NGX_S3JOBS_CHAR_IAM
#define S  NGX_S3JOBS_CHAR_PATH


const u_char  ngx_s3jobs_chars[256] = {
    0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0,

 /*    !  "  #  $  %  &  '   (  )  *  +  ,  -  .  /  */
    0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, I, I, H, P, S,

 /* 0  1  2  3  4  5  6  7   8  9  :  ;  <  =  >  ?  */
    D, D, D, D, D, D, D, D,  D, D, S, 0, 0, I, 0, 0,

 /* @  A  B  C  D  E  F  G   H  I  J  K  L  M  N  O  */
    I, A, A, A, A, A, A, A,  A, A, A, A, A, A, A, A,

 /* P  Q  R  S  T  U  V  W   X  Y  Z  [  \  ]  ^  _  */
    A, A, A, A, A, A, A, A,  A, A, A, 0, 0, 0, 0, U,

 /* `  a  b  c  d  e  f  g   h  i  j  k  l  m  n  o  */
    0, A, A, A, A, A, A, A,  A, A, A, A, A, A, A, A,

 /* p  q  r  s  t  u  v  w   x  y  z  {  |  }  ~     */
    A, A, A, A, A, A, A, A,  A, A, A, 0, 0, 0, T, 0
};


size_t
ngx_s3jobs_span(const u_char *p, const u_char *last, ngx_uint_t class)
{
    const u_char  *start;

    for (start = p; p < last; p++) {
        if (!ngx_s3jobs_char(*p, class)) {
            break;
        }
    }

    return p - start;
}
